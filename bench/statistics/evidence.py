"""The evidence for a difference: rounds of one run, or two runs and a control that both measured.

    Paired        logarithms of rounds' ratios, of arms that ran in turns. Wilcoxon's signed ranks: if the two arms are
                  equal, each logarithm is as likely above 0 as below it, by the same amount; nothing else is assumed
    Controlled    a difference between two runs, less that of code which did not change, with the spread between runs

Both give the one-sided probabilities of a difference as large as theirs, and the ends that exclude it at a level. Many
cells are corrected for their number by Benjamini and Hochberg (:func:`levels_of`): of the cells that are called slower,
one in twenty may not be, and if none is, nothing is called slower in 19 of 20 comparisons. Each direction is corrected
by itself, so that cells that are faster do not make it easier to call others slower. Holm's correction
forbids even one false call among many true ones: six rounds could not show a difference that four presets agree on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

ERROR = 0.05  # of calling an equal cell slower, or a slower one no slower, each
POWER = 0.80  # at which an effect counts as one that could have been seen
_NORMAL_POWER = 0.90  # what that takes by the normal distribution, because the width of an interval is estimated too


class Levels(NamedTuple):
    """A probability for each direction: as a level, that of calling an equal cell so."""

    slower: float = ERROR
    faster: float = ERROR

    @property
    def confidence(self) -> float:
        """Of the interval whose ends are at these levels."""
        return 1 - self.slower - self.faster


class Evidence(Protocol):
    """The evidence for log(t_before / t_after) of a cell."""

    @property
    def centre(self) -> float:
        """The estimate."""

    @property
    def p_values(self) -> Levels:
        """The one-sided probabilities."""

    def ends(self, levels: Levels) -> tuple[float, float]:
        """An interval whose ends err with these probabilities; infinite where the evidence is too thin."""


def levels_of(evidence: Sequence[Evidence], error: float = ERROR) -> Levels:
    """The levels at which each of several cells is judged, from ``error`` / n to ``error``."""
    n = max(1, len(evidence))

    def level(p_values: Iterable[float]) -> float:
        return error / n * max([1, *(rank for rank, p in enumerate(sorted(p_values), 1) if p <= error * rank / n)])

    found = [one.p_values for one in evidence]
    return Levels(level(p.slower for p in found), level(p.faster for p in found))


def detectable(ends: tuple[float, float], levels: Levels) -> float:
    """The true loss, relative, that an interval of this width excludes 0 for with probability ``POWER``."""
    width = ends[1] - ends[0]
    slower, faster = (-float(ndtri(level)) for level in levels)
    return math.expm1(width * (slower + float(ndtri(_NORMAL_POWER))) / (slower + faster)) if width < 20 else math.inf


@dataclass(frozen=True)
class Paired:
    """Evidence from rounds: log(t_before / t_after) of each round, in their order."""

    logs: tuple[float, ...]

    @property
    def centre(self) -> float:
        """The estimate of Hodges and Lehmann, the median of ``walsh``: always between the ends."""
        return float(np.median(self.walsh))

    @cached_property
    def walsh(self) -> np.ndarray:
        """The means of all pairs of rounds and of each round alone, sorted (n (n + 1) / 2,)."""
        logs = np.asarray(self.logs)
        return np.sort(((logs[:, None] + logs) / 2)[np.triu_indices(len(logs))])

    @property
    def p_values(self) -> Levels:
        """Of the signed ranks; ranks against a direction are as many as means of pairs on the other side of 0."""
        sums = rank_sums(len(self.logs))
        return Levels(float(sums[(self.walsh >= 0).sum()]), float(sums[(self.walsh <= 0).sum()]))

    def ends(self, levels: Levels) -> tuple[float, float]:
        """Of one look at all rounds."""
        above, below = (int((rank_sums(len(self.logs)) <= level).sum()) - 1 for level in levels)
        return self.ends_without(below)[0], self.ends_without(above)[1]

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
    def p_values(self) -> Levels:
        """By Student's distribution."""
        slower = float(stdtr(self.freedom, self.centre / self.deviation))
        return Levels(slower, 1 - slower)

    def ends(self, levels: Levels) -> tuple[float, float]:
        """By Student's quantiles."""
        above, below = (float(stdtrit(self.freedom, 1 - level)) * self.deviation for level in levels)
        return self.centre - below, self.centre + above
