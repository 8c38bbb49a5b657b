"""The ladder and the defaults, against the figures of the architecture."""

import math

import pytest

from tinygpt.checkpoints.gpt2_config import from_gpt2_config
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


def test_gpt2_is_what_its_configuration_describes():
    config = {
        "model_type": "gpt2",
        "n_layer": 12,
        "n_embd": 768,
        "n_head": 12,
        "n_positions": 1024,
        "vocab_size": 50257,
    }
    assert PRESETS["gpt2"].model == from_gpt2_config(config, "config.json")
    assert PRESETS["gpt2"].model.n_parameters == 124_439_808
    assert "gpt2" not in LADDER


def test_training_defaults_are_the_references():
    # The original project trained for months at ten times this learning rate; this assertion is why we cannot.
    for preset in PRESETS.values():
        train = preset.train
        assert train.learning_rate == (5e-5 if preset.name == "gpt2" else 3e-4)  # gpt2's is for fine-tuning
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
    words = r"unknown preset 'smal' \(did you mean 'small'\?\).*nanogpt, medium256, gpt2$"
    with pytest.raises(ConfigError, match=words):
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


@pytest.mark.parametrize(
    ("text", "name", "shape"),  # shape: layers, d_model, heads, context, batch
    [
        ("small[n_layers=4,d_model=160]", "small[n_layers=4,d_model=160]", (4, 160, 5, 64, 16)),
        (" small [ d_model = 160 , n_layers = 4 ] ", "small[n_layers=4,d_model=160]", (4, 160, 5, 64, 16)),
        ("small[d_model=160,n_heads=2]", "small[d_model=160,n_heads=2]", (3, 160, 2, 64, 16)),
        ("small[d_model=160,n_heads=5]", "small[d_model=160]", (3, 160, 5, 64, 16)),
        ("small[n_layers=3,batch_size=16]", "small", (3, 96, 3, 64, 16)),
        ("tiny[context_length=48,batch_size=2]", "tiny[context_length=48,batch_size=2]", (2, 48, 3, 48, 2)),
        ("small[]", "small", (3, 96, 3, 64, 16)),
    ],
)
def test_a_preset_with_a_shape_of_ones_own_has_one_name(text, name, shape):
    preset = PRESETS[text]
    model = preset.model
    found = (model.n_layers, model.d_model, model.n_heads, model.context_length, preset.train.batch_size)
    assert (preset.name, found) == (name, shape)
    assert text in PRESETS and PRESETS[name] == preset
    assert preset.train.learning_rate == 3e-4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smal[n_layers=4]", r"unknown preset 'smal' \(did you mean 'small'\?\)"),
        (
            "small[layers=4]",
            r"unknown option of preset 'small': 'layers' \(did you mean 'n_layers'\?\); allowed: n_layers",
        ),
        ("small[n_layers=four]", "option n_layers of preset 'small' is 'four'; allowed: a whole number$"),
        ("small[n_layers]", "option n_layers of preset 'small' is ''; allowed: a whole number$"),
        ("small[n_layers=0]", "n_layers is 0; allowed: a whole number from 1"),
        ("small[batch_size=-1]", "batch_size is -1; allowed: a whole number from 1"),
        ("small[d_model=0]", "d_model is 0; allowed: a whole number from 1"),
        ("small[context_length=99999999999]", "context_length is 99999999999; allowed: a whole number from 1 to"),
        (
            "small[d_model=100]",
            "d_model is 100, and the heads of preset 'small' are 32 wide; allowed: a multiple of 32",
        ),
        ("small[d_model=160,n_heads=3]", "d_model is 160; allowed: a multiple of n_heads, 3$"),
        ("small[n_layers=4", "preset 'small\\[n_layers=4' has no closing bracket"),
        ("small[n_layers=4,n_layers=5]", "option n_layers is given twice in preset"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_in_one_line(text, message):
    with pytest.raises(ConfigError, match=message):
        PRESETS[text]
    assert text not in PRESETS and text not in LADDER
