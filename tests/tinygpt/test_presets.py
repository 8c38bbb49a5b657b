"""The ladder and the defaults, against the figures of the architecture."""

import math

import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.params import initial_parameters, is_decayed, parameter_shapes
from tinygpt.presets import LADDER, PRESETS

# preset: layers, d_model, heads, context, batch, parameters
PUBLISHED = {
    "micro": (1, 16, 4, 16, 1, 7_664),
    "tiny": (2, 48, 3, 32, 16, 70_464),
    "small": (3, 96, 3, 64, 16, 366_432),
    "medium": (4, 128, 4, 96, 16, 838_400),
    "large": (6, 192, 6, 128, 12, 2_743_296),
    "xl": (8, 256, 8, 128, 8, 6_416_896),
    "huge": (12, 256, 8, 256, 8, 9_608_704),
    "massive": (14, 384, 12, 256, 4, 25_039_872),
    "mega": (14, 384, 12, 512, 2, 25_138_176),
    "behemoth": (24, 1280, 20, 512, 1, 473_244_160),
}


def test_the_ladder_has_ten_presets_in_order_of_size():
    assert list(LADDER) == list(PUBLISHED)
    sizes = [preset.model.n_parameters for preset in LADDER.values()]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("name", PUBLISHED)
def test_preset_matches_the_published_table_to_the_unit(name):
    layers, d_model, heads, context, batch, parameters = PUBLISHED[name]
    model, train = PRESETS[name].model, PRESETS[name].train
    assert (model.n_layers, model.d_model, model.n_heads, model.context_length) == (layers, d_model, heads, context)
    assert (train.batch_size, model.vocab_size, model.layer_norm_eps) == (batch, 256, 1e-5)
    assert model.n_parameters == parameters
    assert sum(math.prod(shape) for shape in parameter_shapes(model).values()) == parameters


def test_training_defaults_are_the_references():
    # The original project trained for months at ten times this learning rate; this assertion is why we cannot.
    for preset in PRESETS.values():
        train = preset.train
        assert train.learning_rate == 3e-4
        assert (train.betas, train.eps) == ((0.9, 0.95), 1e-8)
        assert (train.weight_decay, train.grad_clip) == (0.1, 1.0)


def test_initial_parameters_follow_the_reference_distribution():
    model = PRESETS["medium"].model
    weights = initial_parameters(model, seed=0)
    assert weights["wte.weight"].std() == pytest.approx(0.02, rel=0.02)
    assert weights["h.0.mlp.c_fc.weight"].std() == pytest.approx(0.02, rel=0.02)
    residual = 0.02 / math.sqrt(2 * model.n_layers)
    assert weights["h.3.mlp.c_proj.weight"].std() == pytest.approx(residual, rel=0.02)
    assert weights["h.3.attn.c_proj.weight"].std() == pytest.approx(residual, rel=0.02)
    assert not weights["h.1.attn.c_attn.bias"].any()
    assert (weights["ln_f.weight"] == 1).all()
    again = initial_parameters(model, seed=0)
    assert all((weights[name] == again[name]).all() for name in weights)
    assert (initial_parameters(model, seed=1)["wte.weight"] != weights["wte.weight"]).any()


def test_only_matrices_and_embeddings_decay():
    decayed = {name for name, shape in parameter_shapes(PRESETS["tiny"].model).items() if is_decayed(shape)}
    assert {"wte.weight", "wpe.weight", "h.0.attn.c_attn.weight"} <= decayed
    assert not any(name.endswith("bias") or ".ln_" in name or name.startswith("ln_f") for name in decayed)


def test_unknown_preset_names_the_nearest_one():
    with pytest.raises(ConfigError, match=r"unknown preset 'smal' \(did you mean 'small'\?\).*nanogpt, medium256$"):
        PRESETS["smal"]


@pytest.mark.parametrize(
    "fields",
    [{"n_layers": 0}, {"d_model": -3}, {"n_heads": 5}, {"context_length": 1.5}, {"layer_norm_eps": 0.0}],
)
def test_model_config_refuses_invalid_values(fields):
    with pytest.raises(ConfigError, match="allowed:"):
        ModelConfig(**({"n_layers": 2, "d_model": 48, "n_heads": 3, "context_length": 32} | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"batch_size": 0},
        {"learning_rate": -1.0},
        {"learning_rate": math.nan},
        {"betas": (0.9, 1.0)},
        {"grad_clip": 0.0},
    ],
)
def test_train_config_refuses_invalid_values(fields):
    with pytest.raises(ConfigError, match="allowed:"):
        TrainConfig(**({"batch_size": 4} | fields))
