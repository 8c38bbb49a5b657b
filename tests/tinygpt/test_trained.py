"""The choice of what is trained."""

from __future__ import annotations

import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.params import parameter_shapes
from tinygpt.trained import EMBEDDINGS, lowest_trained, n_stored, n_trained, trained_shapes

MODEL = ModelConfig(n_layers=12, d_model=16, n_heads=2, context_length=12)


def modules(patterns: str) -> set[str]:
    return {name.rpartition(".")[0] for name in trained_shapes(MODEL, TrainConfig(1, train_only=patterns))}


@pytest.mark.parametrize(
    ("patterns", "expected", "lowest"),
    [
        ("ln_f", {"ln_f"}, 12),
        ("wte, ln_f", {"wte", "ln_f"}, EMBEDDINGS),
        ("transformer.h.1.attn", {"h.1.attn.c_attn", "h.1.attn.c_proj"}, 1),
        ("h.10-11.ln_2", {"h.10.ln_2", "h.11.ln_2"}, 10),
        ("h.*.mlp.c_fc", {f"h.{layer}.mlp.c_fc" for layer in range(12)}, 0),
    ],
)
def test_patterns_are_names_with_ranges(patterns: str, expected: set[str], lowest: int) -> None:
    assert modules(patterns) == expected
    assert lowest_trained(trained_shapes(MODEL, TrainConfig(1, train_only=patterns)), 12) == lowest


def test_a_layer_is_all_of_its_modules_and_no_other_layers() -> None:
    assert {name.split(".")[1] for name in modules("h.1")} == {"1"}
    assert len(modules("h.1")) == 6 and len(modules("h.2-5")) == 24


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ("h.12", r"the model has no 'h.12'; allowed: wte, wpe, h.0 to h.11, ln_f"),
        ("h.10-13", r"the model has no 'h.12'"),
        ("h.4-2", r"counts down; allowed: 2-4"),
        ("lm_head", r"no 'lm_head'"),
        ("ln_f,", r"no ''"),
        ("h.0.ln_1.bias", r"no 'h.0.ln_1.bias'"),
    ],
)
def test_what_is_not_there_is_refused(patterns: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        modules(patterns)


def test_counts() -> None:
    whole, some = TrainConfig(1), TrainConfig(1, train_only="ln_f")
    assert trained_shapes(MODEL, whole) == parameter_shapes(MODEL)
    assert (n_trained(MODEL, whole), n_stored(MODEL, whole)) == (MODEL.n_parameters, MODEL.n_parameters)
    assert (n_trained(MODEL, some), n_stored(MODEL, some)) == (32, MODEL.n_parameters)
    adapter = TrainConfig(1, lora="rank=2,on=attn.c_proj")
    assert n_trained(MODEL, adapter) == 12 * 2 * (16 + 16)
    assert n_stored(MODEL, adapter) == MODEL.n_parameters + n_trained(MODEL, adapter)
