from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, wilcoxon

from bench.statistics.evidence import Controlled, Levels, Paired, detectable, levels_of, rank_sums
from bench.statistics.sequential import excluded_means, looks

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("n", [6, 9, 14])
def test_the_probability_is_wilcoxons(n):
    logs = RNG.normal(0.3, 1.0, n)
    expected = [wilcoxon(logs, alternative=side, method="exact").pvalue for side in ("less", "greater")]
    assert Paired(tuple(logs)).p_values == pytest.approx(expected)


@pytest.mark.parametrize("n", [6, 12, 20])
def test_an_interval_excludes_what_the_test_rejects(n):
    logs = RNG.normal(0.0, 1.0, n)
    low, high = Paired(tuple(logs)).ends(Levels())
    for inside, shift in ((True, low + 1e-9), (True, high - 1e-9), (False, low - 1e-9), (False, high + 1e-9)):
        assert (min(Paired(tuple(logs - shift)).p_values) > 0.05) is inside


def test_the_centre_lies_between_the_ends_of_skewed_rounds():
    skewed = Paired((0.0, 0.001, 0.002, 0.003, 1.0, 1.1, 1.2))
    low, high = skewed.ends(Levels(0.45, 0.45))
    assert not low <= np.median(skewed.logs) <= high
    assert low <= skewed.centre <= high


def test_few_rounds_exclude_nothing():
    assert Paired((0.5,) * 4).ends(Levels()) == (-math.inf, math.inf)
    assert Paired((0.5,) * 5).ends(Levels()) == (0.5, 0.5)  # 1 in 32
    assert detectable((-math.inf, math.inf), Levels()) == math.inf
    assert detectable((-0.1, 0.1), Levels(0.025, 0.025)) == pytest.approx(
        math.expm1(0.1 * (1 + norm.ppf(0.9) / norm.ppf(0.975)))
    )


def test_many_cells_are_judged_more_strictly_unless_they_agree():
    plain, clear = Paired((0.1, -0.1) * 3), Paired((0.1, 0.2, 0.3, 0.2, 0.1, 0.3))
    assert levels_of([plain]) == levels_of([]) == Levels(0.05, 0.05)
    assert levels_of([plain] * 5) == pytest.approx((0.01, 0.01))
    assert levels_of([clear, *[plain] * 4]) == pytest.approx((0.01, 0.01))


def test_faster_cells_do_not_make_it_easier_to_call_others_slower():
    plain, clear = Paired((0.1, -0.1) * 3), Paired((0.1, 0.2, 0.3, 0.2, 0.1, 0.3))
    assert levels_of([clear] * 5) == pytest.approx((0.01, 0.05))  # one false call of twenty is allowed
    levels = levels_of([clear] * 5 + [plain] * 5)
    assert levels == pytest.approx((0.005, 0.025))
    assert levels.confidence == pytest.approx(0.97)
    ends = Paired(tuple(RNG.normal(0.0, 1.0, 12))).ends
    assert ends(levels) == (ends(Levels(0.025, 0.025))[0], ends(Levels(0.005, 0.005))[1])


def test_two_runs_are_judged_by_students_distribution():
    found = Controlled(0.2, 0.1, 10)
    low, high = found.ends(Levels())
    assert (low, high) == pytest.approx((0.2 - 0.1 * 1.8125, 0.2 + 0.1 * 1.8125), abs=1e-4)
    assert found.p_values == pytest.approx((1 - 0.0367, 0.0367), abs=1e-4)


# ---- looking several times ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [6, 12, 24])
def test_a_single_look_is_the_plain_test(n):
    exact = int((rank_sums(n) <= 0.05).sum()) - 1
    assert excluded_means((n,), n, 0.05)[0] == pytest.approx(exact, abs=1)  # one step of a simulated table


def test_looks_end_with_all_rounds():
    assert looks() == (12, 18, 24)
    assert looks(30) == (12, 18, 24, 30)
    assert (looks(20), looks(12), looks(3)) == ((12, 18, 20), (12,), (3,))


@pytest.mark.parametrize("distribution", ["normal", "standard_t", "laplace"])
def test_all_looks_together_keep_the_error(distribution):
    """3000 series of equal arms: the share that some look calls slower is 5 %, give or take three standard errors."""
    rng = np.random.default_rng(11)
    shape = {"df": 2} if distribution == "standard_t" else {}
    excluded = excluded_means(looks(), 24, 0.05)
    alarms = 0
    for logs in getattr(rng, distribution)(**shape, size=(3000, 24)):
        alarms += any(Paired(tuple(logs[:n])).ends_without(k)[1] < 0 for n, k in zip(looks(), excluded, strict=True))
    assert 0.03 < alarms / 3000 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 3000)
