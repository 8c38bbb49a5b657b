"""The evidence for a difference: rounds of one run, or two runs and a control that both measured.

    Paired        logarithms of rounds' ratios, of arms that ran in turns. Wilcoxon's signed ranks: if the two arms are
                  equal, each logarithm is as likely above 0 as below it, by the same amount; nothing else is assumed
    Controlled    a difference between two runs, less that of code which did not change, with the spread between runs

Both give the smaller one-sided probability of a difference as large as theirs, and the ends that exclude it at a level.
Many cells are corrected for their number by Benjamini and Hochberg (:func:`level_of`): of the cells that are called
slower, one in twenty may not be, and if none is, nothing is called slower in 19 of 20 comparisons. Holm's correction
forbids even one false call among many true ones: six rounds could not show a difference that four presets agree on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Protocol

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

ERROR = 0.05  # of calling an equal cell slower, or a slower one no slower, each
POWER = 0.80  # at which an effect counts as one that could have been seen
_NORMAL_POWER = 0.90  # what that takes by the normal distribution, because the width of an interval is estimated too


class Evidence(Protocol):
    """The evidence for log(t_before / t_after) of a cell."""

    @property
    def centre(self) -> float:
        """The estimate."""

    @property
    def p_value(self) -> float:
        """The smaller of the two one-sided probabilities."""

    def ends(self, level: float) -> tuple[float, float]:
        """An interval that errs with probability ``level`` on each side; infinite where the evidence is too thin."""


def level_of(evidence: Sequence[Evidence], error: float = ERROR) -> float:
    """The level at which each of several cells is judged: Benjamini and Hochberg's, from ``error`` / n to ``error``."""
    p_values = sorted(found.p_value for found in evidence)
    n = max(1, len(p_values))
    return error / n * max([1, *(rank for rank, p in enumerate(p_values, 1) if p <= error * rank / n)])


def detectable(ends: tuple[float, float], level: float) -> float:
    """The true difference, relative, that an interval of this width excludes 0 for with probability ``POWER``."""
    reach = (ends[1] - ends[0]) / 2
    return math.expm1(reach * (1 + float(ndtri(_NORMAL_POWER)) / float(ndtri(1 - level)))) if reach < 10 else math.inf


@dataclass(frozen=True)
class Paired:
    """Evidence from rounds: log(t_before / t_after) of each round, in their order."""

    logs: tuple[float, ...]

    @property
    def centre(self) -> float:
        """The median of the rounds."""
        return float(np.median(self.logs))

    @cached_property
    def walsh(self) -> np.ndarray:
        """The means of all pairs of rounds and of each round alone, sorted (n (n + 1) / 2,)."""
        logs = np.asarray(self.logs)
        return np.sort(((logs[:, None] + logs) / 2)[np.triu_indices(len(logs))])

    @property
    def p_value(self) -> float:
        """Of the signed ranks; ranks against the majority are as many as means of pairs on its other side."""
        against = min(int((self.walsh <= 0).sum()), int((self.walsh >= 0).sum()))
        return float(rank_sums(len(self.logs))[against])

    def ends(self, level: float) -> tuple[float, float]:
        """Of one look at all rounds."""
        return self.ends_without(int((rank_sums(len(self.logs)) <= level).sum()) - 1)

    def ends_without(self, k: int) -> tuple[float, float]:
        """The ends that leave out ``k`` means of pairs on each side; infinite for −1."""
        return (float(self.walsh[k]), float(self.walsh[-1 - k])) if k >= 0 else (-math.inf, math.inf)


@cache
def rank_sums(n: int) -> np.ndarray:
    """P(sum of the ranks with a minus ≤ s) for s = 0 … n (n + 1) / 2, each sign being a coin toss."""
    counts = np.ones(1)
    for rank in range(1, n + 1):
        counts = np.pad(counts, (0, rank)) + np.pad(counts, (rank, 0))
    return np.cumsum(counts) / 2.0**n


@dataclass(frozen=True)
class Controlled:
    """Evidence from two runs.

    Attributes:
        centre: log(t_before / t_after) less that of the controls.
        deviation: its standard deviation, that between runs included.
        freedom: degrees of freedom of the deviation.
    """

    centre: float
    deviation: float
    freedom: int

    @property
    def p_value(self) -> float:
        """By Student's distribution."""
        return float(stdtr(self.freedom, -abs(self.centre) / self.deviation))

    def ends(self, level: float) -> tuple[float, float]:
        """By Student's quantiles."""
        reach = float(stdtrit(self.freedom, 1 - level)) * self.deviation
        return self.centre - reach, self.centre + reach
