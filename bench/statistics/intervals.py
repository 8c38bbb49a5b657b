"""Medians with intervals that hold them, whatever the distribution.

Order statistics (the sign test turned round): for sorted x_1 ≤ … ≤ x_n the median lies between x_k and x_{n+1−k} with
probability 1 − 2 P(Binomial(n, ½) < k). The largest k that keeps 95 % is taken; six observations are the fewest that
can. Fewer observations have no interval. Nothing is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

CONFIDENCE = 0.95
MIN_ROUNDS = 6  # the fewest observations whose extremes hold the median with 95 %


@dataclass(frozen=True, slots=True)
class Interval:
    """A median with the interval that holds it.

    Attributes:
        median: centre of the observations.
        low: lower end; NaN below ``MIN_ROUNDS`` observations, where there is no interval.
        high: upper end, likewise.
        coverage: probability that such an interval holds the true median; NaN without one.
    """

    median: float
    low: float
    high: float
    coverage: float


NO_INTERVAL = Interval(math.nan, math.nan, math.nan, math.nan)


def median_interval(values: Sequence[float] | np.ndarray) -> Interval:
    """Median and its order-statistics interval at ``CONFIDENCE``.

    Args:
        values: observations (n,), n at least 1, finite and independent: medians of rounds, never steps of one process.
    """
    x = np.sort(np.asarray(values, np.float64))
    if len(x) < MIN_ROUNDS:
        return Interval(_middle(x), math.nan, math.nan, math.nan)
    k, coverage = _order_statistics(len(x))
    return Interval(_middle(x), float(x[k - 1]), float(x[-k]), coverage)


def ends_in_words(low: float, high: float, write: Callable[[float], str]) -> str:
    """Both ends as ``write`` writes them, or that there is no interval."""
    return "no interval" if math.isnan(low) else f"{write(low)} to {write(high)}"


@cache
def _order_statistics(n: int) -> tuple[int, float]:
    """Return k and a coverage: the k-th of n sorted values from either end bound the interval."""
    below = [1]  # 2^n P(Binomial(n, ½) ≤ i), a sum of binomial coefficients and so an integer
    ways = 1
    for i in range(1, n // 2 + 1):
        ways = ways * (n - i + 1) // i
        below.append(below[-1] + ways)
    # Largest k with P(Binomial(n, ½) < k) ≤ (1 − CONFIDENCE) / 2; positions are counted from 1.
    k = max(1, sum(count / 2**n <= (1.0 - CONFIDENCE) / 2.0 for count in below[: n // 2]))
    return k, max(0.0, 1.0 - 2.0 * (below[k - 1] / 2**n))


def median(values: np.ndarray) -> float:
    """The median of values (n,), n at least 1."""
    return _middle(np.sort(values))


def _middle(x: np.ndarray) -> float:
    """The median of sorted values (n,)."""
    half = len(x) // 2
    return float(x[half]) if len(x) % 2 else float((x[half - 1] + x[half]) / 2)
