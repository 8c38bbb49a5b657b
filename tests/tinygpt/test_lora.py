"""LoRA's settings, shapes, starting values, and folding into the weights."""

from __future__ import annotations

import numpy as np
import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.lora import MODULES, Lora, adapter_shapes, initial_adapter, merged, parse_lora
from tinygpt.params import initial_parameters, parameter_shapes
from tinygpt.trained import n_trained

MODEL = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=12)
SHAPES = parameter_shapes(MODEL)


@pytest.mark.parametrize(
    ("text", "lora", "plain"),
    [
        ("rank=4", Lora(4), "rank=4,alpha=16,on=attn+mlp"),
        (" on = mlp + attn , rank=2,alpha=3.5", Lora(2, 3.5), "rank=2,alpha=3.5,on=attn+mlp"),
        ("on=attn.c_attn,dropout=0", Lora(8, 16, MODULES[:1]), "rank=8,alpha=16,on=attn.c_attn"),
        ("on=mlp.c_fc+attn", Lora(8, 16, MODULES[:3]), "rank=8,alpha=16,on=attn+mlp.c_fc"),
    ],
)
def test_settings_have_one_plain_form(text: str, lora: Lora, plain: str) -> None:
    assert parse_lora(text) == lora
    assert str(lora) == TrainConfig(1, lora=text).lora == plain
    assert parse_lora(plain) == lora


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rank=0", "--lora rank=0: rank is 0; allowed: a whole number, 1 or more; run: --lora rank=8"),
        ("rank=two", "rank of --lora is 'two'"),
        ("alpha=0", "--lora alpha=0: alpha is 0.0"),
        ("rank=2,rank=4", "gives rank twice"),
        ("ranks=2", "did you mean 'rank'"),
        ("on=atn", "did you mean 'attn'"),
        ("on=wte", "the embedding is also the output head"),
        ("on=", "unknown layer in on="),
        ("dropout=0.1", "--dropout acts on the residual stream"),
    ],
)
def test_bad_settings_are_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_lora(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_rank_above_the_width_is_refused() -> None:
    words = r"an adapter of rank 17 on h\.0\.attn\.c_attn, 16 × 48; allowed: a rank of 1 to 16; run: --lora rank=8"
    with pytest.raises(ConfigError, match=words):
        adapter_shapes(SHAPES, Lora(17))
    with pytest.raises(ConfigError, match=words):
        n_trained(MODEL, TrainConfig(1, lora="rank=17"))
    assert adapter_shapes(SHAPES, Lora(16))


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="--lora with --train-only"):
        TrainConfig(1, lora="rank=1", train_only="ln_f")
    with pytest.raises(ConfigError, match="muon with --lora"):
        TrainConfig(1, lora="rank=1", optimizer="muon")


def test_an_adapter_starts_as_pefts_does_and_leaves_the_model_as_it_is() -> None:
    lora = parse_lora("rank=6,on=attn.c_attn+mlp.c_proj")
    adapter = initial_adapter(SHAPES, lora, seed=3)
    assert {name: array.shape for name, array in adapter.items()} == adapter_shapes(SHAPES, lora)
    a, b = adapter["h.1.mlp.c_proj.lora_A"], adapter["h.1.mlp.c_proj.lora_B"]
    assert (a.shape, b.shape) == ((64, 6), (6, 16)) and not b.any()
    assert 0.95 / 8 < np.abs(a).max() < 1 / 8  # 1/√64
    assert (adapter["h.0.attn.c_attn.lora_A"] != initial_adapter(SHAPES, lora, 4)["h.0.attn.c_attn.lora_A"]).any()
    weights = initial_parameters(MODEL, 0)
    for name, array in merged(weights, adapter, lora.scale).items():
        np.testing.assert_array_equal(array, weights[name])


def test_folding_adds_the_product_to_the_adapted_weights_alone() -> None:
    rng, lora = np.random.default_rng(0), parse_lora("rank=2,alpha=3,on=attn.c_proj")
    weights = initial_parameters(MODEL, 0)
    adapter = {name: rng.standard_normal(shape) for name, shape in adapter_shapes(SHAPES, lora).items()}
    folded = merged(weights, adapter, lora.scale)
    assert list(folded) == list(weights)
    changed = {name for name in weights if (folded[name] != weights[name]).any()}
    assert changed == {"h.0.attn.c_proj.weight", "h.1.attn.c_proj.weight"}
    expected = weights["h.1.attn.c_proj.weight"] + 1.5 * (
        adapter["h.1.attn.c_proj.lora_A"] @ adapter["h.1.attn.c_proj.lora_B"]
    )
    np.testing.assert_allclose(folded["h.1.attn.c_proj.weight"], expected, rtol=1e-6)
