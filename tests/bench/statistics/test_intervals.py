from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import quantile_test

from bench.statistics.intervals import median_interval


def test_interval_of_six_is_their_range():
    interval = median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    assert (interval.low, interval.median, interval.high) == (1.0, 3.5, 6.0)
    assert interval.coverage == pytest.approx(1 - 2 / 2**6)


def test_interval_of_fifteen_drops_three_at_each_end():
    interval = median_interval(np.arange(15.0))
    assert (interval.low, interval.median, interval.high) == (3.0, 7.0, 11.0)
    assert interval.coverage == pytest.approx(0.96484, abs=1e-5)


@pytest.mark.parametrize("n", [6, 7, 9, 12, 15, 30, 90])
def test_interval_agrees_with_scipy(n):
    values = np.random.default_rng(n).lognormal(size=n)
    expected = quantile_test(values, p=0.5).confidence_interval(confidence_level=0.95)
    interval = median_interval(values)
    assert interval.coverage >= 0.95
    # SciPy takes the two ends one at a time and may be a rank tighter at one of them.
    assert interval.low <= expected.low and interval.high >= expected.high
    inside = np.sum((values >= interval.low) & (values <= interval.high))
    assert inside <= np.sum((values >= expected.low) & (values <= expected.high)) + 1


def test_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = sum(i.low <= 0.0 <= i.high for i in (median_interval(rng.standard_cauchy(15)) for _ in range(2000)))
    assert 0.95 < hits / 2000 < 0.98


def test_fewer_than_six_observations_have_no_interval():
    for n in range(1, 6):
        interval = median_interval(np.arange(float(n)))
        assert interval.median == (n - 1) / 2
        assert np.isnan([interval.low, interval.high, interval.coverage]).all()
