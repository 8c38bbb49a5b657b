"""Muon: the polynomial, the update, and the same update in every engine that has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine, engine_class
from tinygpt.errors import ConfigError
from tinygpt.muon import COEFFICIENTS, ITERATIONS, RMS, is_orthogonalized, muon_update, n_matrices, orthogonalize
from tinygpt.params import parameter_shapes

MODEL = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=12)
TRAIN = TrainConfig(4, learning_rate=1e-2, betas=(0.9, 0.99), optimizer="muon")


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (4, 12)), rng.integers(0, 256, (4, 12))


def scalar(s: np.ndarray) -> np.ndarray:
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        s = a * s + b * s**3 + c * s**5
    return s


def test_five_iterations_bring_singular_values_near_one() -> None:
    values = scalar(np.geomspace(1e-2, 1.0, 2000))
    assert values.min() > 0.67 and values.max() < 1.21


@pytest.mark.parametrize("shape", [(12, 12), (8, 20), (20, 8)])
def test_the_singular_vectors_stay_and_the_values_follow_the_polynomial(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(1).standard_normal(shape)
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    expected = u @ np.diag(scalar(s / np.linalg.norm(matrix))) @ v
    np.testing.assert_allclose(orthogonalize(matrix), expected, atol=1e-5)
    assert orthogonalize(np.zeros(shape)).any() == np.False_


def test_an_update_has_half_of_the_rates_size_and_decays_the_weight() -> None:
    rng = np.random.default_rng(0)
    gradient, weight = rng.standard_normal((2, 24, 96)).astype(np.float32)
    before, moment = weight.copy(), np.zeros_like(weight)
    muon_update("h.0.mlp.c_fc.weight", weight, gradient.copy(), moment, 0.1, replace(TRAIN, weight_decay=0.5))
    update = before * np.float32(1 - 0.1 * 0.5) - weight
    assert np.sqrt(np.mean(update**2)) == pytest.approx(0.1 * RMS, rel=0.2)
    np.testing.assert_allclose(moment, 0.1 * gradient, rtol=1e-4)


def test_queries_keys_and_values_are_three_matrices() -> None:
    rng = np.random.default_rng(0)
    gradient = rng.standard_normal((16, 48)).astype(np.float32)
    gradient[:, :16] *= 1000.0
    weight = np.zeros((16, 48), np.float32)
    muon_update("h.0.attn.c_attn.weight", weight, gradient, np.zeros_like(weight), 1.0, TRAIN)
    sizes = [np.linalg.norm(part) for part in np.split(weight, 3, axis=1)]
    assert max(sizes) < 1.3 * min(sizes)


def test_the_blocks_matrices_and_nothing_else() -> None:
    names = [name for name in parameter_shapes(MODEL) if is_orthogonalized(name)]
    assert len(names) == 4 * MODEL.n_layers
    assert {n_matrices(name) for name in names} == {1, 3}
    assert all(len(parameter_shapes(MODEL)[name]) == 2 for name in names)


@pytest.mark.parametrize(
    "variant", ["vectorized[threads=1]", "vectorized[threads=2,team=processes]", "compiled[threads=2]"]
)
def test_engines_agree_on_muons_updates(variant: str) -> None:
    agree_on_updates(variant)


def agree_on_updates(variant: str) -> None:
    """Check four updates of an engine beside the reference."""
    reference, other = (create_engine(name, MODEL, TRAIN, seed=5) for name in ("numpy", variant))
    for step in range(4):
        expected, found = reference.train_step(*batch(step)), other.train_step(*batch(step))
        assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    for name, value in reference.parameters().items():
        np.testing.assert_allclose(other.parameters()[name], value, atol=2e-4, err_msg=name)
    ours, theirs = reference.optimizer_state(), other.optimizer_state()
    for name, value in ours.second_moment.items():
        assert value.any() != is_orthogonalized(name)
        np.testing.assert_allclose(theirs.second_moment[name], value, atol=1e-4)
        np.testing.assert_allclose(theirs.first_moment[name], ours.first_moment[name], atol=1e-4)


@pytest.mark.parametrize("variant", ["numpy", "vectorized[threads=1]", "compiled[threads=2]"])
def test_a_resumed_engine_repeats_the_updates_to_the_bit(variant: str) -> None:
    whole, again = (create_engine(variant, MODEL, TRAIN, seed=5) for _ in range(2))
    for step in range(2):
        whole.train_step(*batch(step))
    again.load_state_dict(whole.state_dict())
    again.load_optimizer_state(whole.optimizer_state())
    for step in range(2, 4):
        assert whole.train_step(*batch(step)) == again.train_step(*batch(step))


def test_an_engine_without_muon_refuses_it() -> None:
    assert engine_class("python").optimizers == ("adamw",)
    with pytest.raises(ConfigError, match="the optimizer is muon, and engine 'python' has adamw"):
        create_engine("python", MODEL, TRAIN)
    with pytest.raises(ConfigError, match=r"unknown optimizer 'moun'.*did you mean 'muon'"):
        replace(TRAIN, optimizer="moun")
