"""Frozen weights and LoRA in every engine that has them: beside the reference engine, and beside whole training."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import CPU_ENGINES, create_engine, engine_class
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.lora import adapter_shapes, parse_lora
from tinygpt.params import Arrays, parameter_shapes

MODEL = ModelConfig(n_layers=3, d_model=16, n_heads=2, context_length=12)
LORA = "rank=3,alpha=5,on=attn+mlp"
TRAIN = TrainConfig(4, learning_rate=1e-2)
FAST = [
    "vectorized[threads=1,kernels=numpy]",
    "vectorized[threads=2,team=processes]",
    "compiled[threads=1]",
    "compiled[threads=2]",
]
SETTINGS = {
    "all of LoRA": {"lora": LORA},
    "LoRA on attention's input": {"lora": "rank=1,on=attn.c_attn"},
    "LoRA with dropout and accumulation": {"lora": LORA, "dropout": 0.2, "accumulation": 2},
    "a layer and the last norm": {"train_only": "h.1,ln_f"},
    "the table": {"train_only": "wte"},
    "the positions and a norm": {"train_only": "wpe,h.2.ln_1", "dropout": 0.2},
    "parts of blocks": {"train_only": "h.1-2.mlp.c_proj,h.2.attn.c_attn", "accumulation": 2},
    "a layer with Muon": {"train_only": "h.1,wpe", "optimizer": "muon"},
}


def batch(seed: int, rows: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (rows, 12)), rng.integers(0, 256, (rows, 12))


def some_adapter(lora: str, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    shapes = adapter_shapes(parameter_shapes(MODEL), parse_lora(lora))
    return {name: 0.3 * rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("variant", FAST)
def test_a_fast_engine_agrees_with_the_reference(variant: str, settings: dict[str, object], many_cores) -> None:
    train = replace(TRAIN, **settings)  # type: ignore[arg-type]
    adapter = some_adapter(train.lora) if train.lora else None
    reference, other = (create_engine(name, MODEL, train, 5, adapter=adapter) for name in ("numpy", variant))
    before = other.parameters() | {name: value.copy() for name, value in other.parameters().items()}
    np.testing.assert_allclose(other.logits(batch(9)[0]), reference.logits(batch(9)[0]), atol=2e-5)
    expected, found = (engine.loss_and_gradients(*batch(9)) for engine in (reference, other))
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert list(found[1]) == list(expected[1]) == list(other.trained)
    for name, gradient in expected[1].items():
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(found[1][name], gradient, atol=4e-5 * scale + 1e-9, err_msg=name)
    rows = 4 * train.accumulation
    for step in range(3):
        wanted, result = (engine.train_step(*batch(step, rows)) for engine in (reference, other))
        assert result.loss == pytest.approx(wanted.loss, rel=1e-5)
        assert result.grad_norm == pytest.approx(wanted.grad_norm, rel=1e-4)
    for name, value in other.parameters().items():
        if name not in other.trained:
            np.testing.assert_array_equal(value, before[name], err_msg=name)
    for name, value in reference.state_dict().items():
        keys = slice(16, 32) if name.endswith("c_attn.bias") else slice(0, 0)  # their true gradient is 0
        difference = np.abs(other.state_dict()[name] - value)
        difference[keys] = 0.0
        assert difference.max() < 5e-4, name
    assert other.optimizer_state().first_moment.keys() == other.trained.keys()


@pytest.mark.parametrize("pattern", ["h.1,ln_f", "wte", "h.*.attn"])
def test_a_trained_parameter_has_the_gradient_that_it_has_in_whole_training(pattern: str) -> None:
    whole, some = (create_engine("numpy", MODEL, replace(TRAIN, train_only=only), 5) for only in ("", pattern))
    expected, found = (engine.loss_and_gradients(*batch(1)) for engine in (whole, some))
    assert found[0] == expected[0]
    for name, gradient in found[1].items():
        np.testing.assert_array_equal(gradient, expected[1][name])


def test_the_backward_ends_at_the_lowest_trained_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    visited = []
    backward = NumpyEngine._block_backward
    monkeypatch.setattr(
        NumpyEngine, "_block_backward", lambda self, dx, h, *rest: visited.append(h) or backward(self, dx, h, *rest)
    )
    create_engine("numpy", MODEL, replace(TRAIN, train_only="h.1.ln_2")).train_step(*batch(0))
    assert visited == ["h.2", "h.1"]
    visited.clear()
    create_engine("numpy", MODEL, replace(TRAIN, train_only="ln_f")).train_step(*batch(0))
    assert visited == []


def test_finite_differences_of_every_adapter() -> None:
    """The whole engine in double precision: three numbers of every array, moved by a millionth."""
    adapter = some_adapter(LORA)
    engine = create_engine("numpy", MODEL, replace(TRAIN, lora=LORA), adapter=adapter)
    assert isinstance(engine, NumpyEngine)
    engine.weights = {name: value.astype(np.float64) for name, value in engine.weights.items()}
    _, gradients = engine.loss_and_gradients(*batch(2))
    assert gradients.keys() == adapter.keys()
    rng, h = np.random.default_rng(3), 1e-6
    for name, gradient in gradients.items():
        values = engine.weights[name].reshape(-1)
        for index in rng.integers(0, values.size, 3):
            kept = values[index]
            losses = []
            for moved in (kept + h, kept - h):
                values[index] = moved
                losses.append(engine.loss_and_gradients(*batch(2))[0])
            values[index] = kept
            slope = (losses[0] - losses[1]) / (2 * h)
            assert gradient.reshape(-1)[index] == pytest.approx(slope, rel=1e-5, abs=1e-9), name


@pytest.mark.parametrize("variant", ["numpy", *FAST])
def test_the_folded_weights_are_the_same_model(variant: str, many_cores) -> None:
    engine = create_engine(variant, MODEL, replace(TRAIN, lora=LORA), 5, adapter=some_adapter(LORA))
    engine.train_step(*batch(0))
    whole = create_engine("numpy", MODEL, TRAIN, weights=engine.state_dict())
    np.testing.assert_allclose(engine.logits(batch(1)[0]), whole.logits(batch(1)[0]), atol=2e-5)
    # Loading them back starts a new adapter, so that nothing is added twice.
    engine.load_state_dict(engine.state_dict())
    np.testing.assert_allclose(engine.logits(batch(1)[0]), whole.logits(batch(1)[0]), atol=2e-5)


@pytest.mark.parametrize("variant", ["numpy", "vectorized[threads=1]", "compiled[threads=2]"])
@pytest.mark.parametrize("settings", [{"lora": LORA}, {"train_only": "h.2,wte"}], ids=["lora", "layers"])
def test_a_resumed_engine_repeats_the_updates_to_the_bit(variant: str, settings: dict[str, str]) -> None:
    whole, again = (create_engine(variant, MODEL, replace(TRAIN, **settings), seed) for seed in (5, 6))
    for step in range(2):
        whole.train_step(*batch(step))
    again.load_state_dict(whole.parameters())
    if whole.adapter():
        again.load_adapter(whole.adapter())
    again.load_optimizer_state(whole.optimizer_state())
    for step in range(2, 4):
        assert whole.train_step(*batch(step)) == again.train_step(*batch(step))


def test_an_engine_that_trains_all_weights_refuses_less() -> None:
    assert [name for name in CPU_ENGINES if not engine_class(name).can_freeze] == ["python"]
    for settings, words in (({"lora": LORA}, f"--lora {LORA}"), ({"train_only": "wte"}, "--train-only wte")):
        with pytest.raises(ConfigError, match=re.escape(f"trains all weights, and the settings have {words}")):
            create_engine("python", MODEL, replace(TRAIN, **settings))


def test_an_adapter_has_to_fit() -> None:
    with pytest.raises(
        CheckpointError, match=r"'h.0.attn.c_attn.lora_A' has shape \(16, 2\); allowed: shape \(16, 3\)"
    ):
        create_engine("numpy", MODEL, replace(TRAIN, lora=LORA), adapter=some_adapter("rank=2"))
    with pytest.raises(ConfigError, match="an adapter without the setting lora"):
        create_engine("numpy", MODEL, TRAIN, adapter=some_adapter(LORA))
