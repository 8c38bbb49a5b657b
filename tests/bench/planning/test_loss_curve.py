from __future__ import annotations

import math

import numpy as np
import pytest

from bench.planning.loss_curve import MIN_EVALUATIONS, LossCurve, fit_loss_curve

A, B, TAU, C = 1.4, 1.2, 2.0e6, 1.1


def loss(tokens: np.ndarray) -> np.ndarray:
    return A + B / (1 + (tokens / TAU) ** C)


TOKENS = np.linspace(4e5, 4e6, 10)


def fitted(noise: float = 0.0, early: tuple[tuple[float, float], ...] = ()) -> LossCurve:
    losses = loss(TOKENS) + noise * np.random.default_rng(0).standard_normal(len(TOKENS))
    curve = fit_loss_curve([*TOKENS], [*losses], early)
    assert curve is not None
    return curve


def test_known_constants_are_recovered():
    curve = fitted()
    a, b, log_tau, c = curve.parameters
    assert (a, b, math.exp(log_tau), c) == pytest.approx((A, B, TAU, C), rel=0.02)
    assert curve.residual < 1e-3


def test_it_interpolates_within_the_run_and_goes_on_beyond_it():
    assert fitted(noise=0.01).at(2e6) == pytest.approx(float(loss(np.array([2e6]))[0]), abs=0.02)
    assert fitted().at(16e6) == pytest.approx(float(loss(np.array([16e6]))[0]), abs=0.02)


def test_the_distance_counts_doublings_from_the_recorded_tokens():
    curve = fitted(early=((1e4, 4.2), (1e5, 2.9)))
    assert [curve.distance(tokens) for tokens in (1e4, 5e4, 4e6)] == [0, 0, 0]
    assert [curve.distance(tokens) for tokens in (8e6, 32e6, 2.5e3)] == pytest.approx([1, 3, 2])


def test_before_the_first_evaluation_the_training_losses_are_used():
    curve = fitted(early=((1e4, 4.2), (1e5, 2.9), (4e5, 2.7), (5e5, 2.5)))
    assert curve.early == ((1e4, 4.2), (1e5, 2.9)), "losses beyond the first evaluation are not early"
    found = [curve.at(tokens) for tokens in (1.0, 1e4, 3e4, 1e5, 4e5)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(math.log(256)) and found[1] == pytest.approx(4.2)
    assert 2.9 < found[2] < 4.2
    apart = 2.7 - float(loss(TOKENS)[0])
    assert curve.residual == pytest.approx(apart), "where both losses are known, their distance is part of the residual"


def test_too_few_or_broken_evaluations_give_no_curve():
    few = MIN_EVALUATIONS - 1
    assert fit_loss_curve([*TOKENS[:few]], [*loss(TOKENS[:few])]) is None
    broken = loss(TOKENS)
    broken[3] = math.nan
    assert fit_loss_curve([*TOKENS], [*broken]) is None


def test_a_flat_run_stays_flat():
    curve = fit_loss_curve([*TOKENS], [2.0] * len(TOKENS))
    assert curve is not None and curve.at(8e6) == pytest.approx(2.0, abs=0.05)


def test_equal_data_give_equal_curves():
    assert fitted(noise=0.01) == fitted(noise=0.01)
