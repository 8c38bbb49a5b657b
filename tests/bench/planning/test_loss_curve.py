from __future__ import annotations

import math

import numpy as np
import pytest

from bench.planning.loss_curve import MIN_EVALUATIONS, LossCurve, fit_loss_curve

A, B, TAU, C = 1.4, 1.2, 2.0e6, 1.1


def loss(tokens: np.ndarray) -> np.ndarray:
    return A + B / (1 + (tokens / TAU) ** C)


TOKENS = np.linspace(4e5, 4e6, 10)


def fitted(noise: float = 0.0, **early: list[float]) -> LossCurve:
    losses = loss(TOKENS) + noise * np.random.default_rng(0).standard_normal(len(TOKENS))
    curve = fit_loss_curve([*TOKENS], [*losses], **early)
    assert curve is not None
    return curve


def test_known_constants_are_recovered():
    curve = fitted()
    assert (curve.a, curve.b, curve.tau, curve.c) == pytest.approx((A, B, TAU, C), rel=0.02)
    assert curve.residual < 1e-3
    assert curve.error_per_doubling < 0.01


def test_within_the_run_it_interpolates_and_beyond_it_the_error_grows():
    curve = fitted(noise=0.01)
    within, twice, four = (curve.at(factor * 4e6) for factor in (0.5, 2, 4))
    assert within and twice and four
    assert within.loss == pytest.approx(float(loss(np.array([2e6]))[0]), abs=0.02)
    assert within.error == curve.residual and within.extrapolation == 0.5
    assert twice.error == pytest.approx(curve.residual + curve.error_per_doubling)
    assert four.error == pytest.approx(curve.residual + 2 * curve.error_per_doubling)
    assert abs(four.loss - float(loss(np.array([16e6]))[0])) <= four.error
    assert four.extrapolation == 4


def test_too_far_beyond_the_run_there_is_no_estimate():
    assert fitted().at(16 * 4e6) is not None
    assert fitted().at(17 * 4e6) is None


def test_before_the_first_evaluation_the_training_losses_are_used():
    early = {"early_tokens": [1e4, 1e5, 5e5], "early_losses": [4.2, 2.9, 2.5]}
    curve = fitted(**early)
    assert curve.early_tokens == (1e4, 1e5), "losses beyond the first evaluation are not early"
    at = {tokens: curve.at(tokens) for tokens in (1.0, 1e4, 3e4, 1e5, 4e5)}
    found = [estimate.loss for estimate in at.values() if estimate]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(math.log(256)) and found[1] == pytest.approx(4.2)
    assert 2.9 < found[2] < 4.2
    middle = at[3e4]
    assert middle and middle.error == pytest.approx((4.2 - 2.9) / 2)


def test_the_back_test_notices_a_curve_that_bends():
    bent = np.where(TOKENS > 2.5e6, loss(TOKENS) + 0.3, loss(TOKENS))
    curve = fit_loss_curve([*TOKENS], [*bent])
    assert curve is not None
    assert curve.error_per_doubling > 0.2 > fitted(noise=0.005).error_per_doubling


def test_too_few_or_broken_evaluations_give_no_curve():
    few = MIN_EVALUATIONS - 1
    assert fit_loss_curve([*TOKENS[:few]], [*loss(TOKENS[:few])]) is None
    broken = loss(TOKENS)
    broken[3] = math.nan
    assert fit_loss_curve([*TOKENS], [*broken]) is None


def test_a_flat_run_stays_flat():
    curve = fit_loss_curve([*TOKENS], [2.0] * len(TOKENS))
    assert curve is not None
    later = curve.at(8e6)
    assert later is not None and later.loss == pytest.approx(2.0, abs=0.05)


def test_equal_data_give_equal_curves():
    assert fitted(noise=0.01) == fitted(noise=0.01)
