"""The noise of real rounds: how arms of six rounds and more vary around their centre, and what that consists of.

A simulation draws from these rounds and from no distribution. The rounds of one arm stay together, because one hour is
calm and another is not; two arms of one run keep the rounds that they shared, because the weather of a round is common.
The truth is known: every arm and every pair is moved so that its median is 0.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.arms.devices import on_accelerator
from bench.arms.labels import is_copy
from bench.records.grouping import grouped
from bench.statistics.cells import CellSummary
from bench.statistics.intervals import median
from bench.statistics.noise import APART, copied_pairs

CALM, NOISY = 0.08, 0.17  # standard deviation of a round's log ratio: at most, on a calm and on a noisy machine


@dataclass(frozen=True)
class RealRounds:
    """Logarithms of rounds around their median.

    Attributes:
        arms: of each arm (rounds,).
        pairs: of the ratio of two arms of one run and preset (rounds,).
        weather: of what slowed both arms of a pair in each round, their mean (rounds,).
        copies: of the ratio of an A/A arm to its original (rounds,), as they are.
    """

    arms: list[np.ndarray]
    pairs: list[np.ndarray]
    weather: list[np.ndarray]
    copies: list[np.ndarray]

    def with_spread(self, low: float, high: float) -> list[np.ndarray]:
        """The pairs whose rounds have a standard deviation between two bounds."""
        return [pair for pair in self.pairs if low < pair.std(ddof=1) <= high]


def six_round_arms(cells: Collection[CellSummary]) -> list[CellSummary]:
    """The arms of processors that a simulation draws from; copies repeat an engine and would count twice."""
    drawn_from = (cell for cell in cells if cell.has_interval and not is_copy(cell.variant))
    return [cell for cell in drawn_from if not on_accelerator(cell.variant)]


def real_rounds(cells: Collection[CellSummary]) -> RealRounds:
    """The rounds of all arms that have an interval."""
    arms = six_round_arms(cells)
    logs = {id(cell): _logs(cell) for cell in arms}
    pairs, weather = [], []
    for group in grouped(arms, lambda cell: cell.together).values():
        for one, two in combinations(group, 2):
            if one.round_times.keys() == two.round_times.keys():
                pairs.append(_around_median(logs[id(one)] - logs[id(two)]))
                weather.append((logs[id(one)] + logs[id(two)]) / 2)
    copies = [pair.ratio.logs for pair in copied_pairs(cells)]
    return RealRounds([_around_median(values) for values in logs.values()], pairs, weather, copies)


def _logs(cell: CellSummary) -> np.ndarray:
    return np.log([median(cell.round_times[number]) for number in sorted(cell.round_times)])


def _around_median(logs: np.ndarray) -> np.ndarray:
    """Rounds with a median of 0, and as wide as their source: n of its rounds have 1 − 1/n of its variance."""
    return (logs - np.median(logs)) * math.sqrt(len(logs) / (len(logs) - 1))


@dataclass(frozen=True)
class Noise:
    """The components of the noise of the rows; all but counts are relative.

    Attributes:
        n_arms: arms of six rounds or more.
        between_rounds: standard deviation of an arm's round medians; the median over arms.
        over_independent: how many times that is what independent steps would give.
        neighbours: correlation of neighbouring steps in a round; the mean.
        neighbouring_rounds: correlation of the ratios of neighbouring rounds; the mean. Independent rounds have 0.
        apart: share of rounds that took more than 1.25 times their arm's fastest.
        of_ratio: standard deviation of a round's ratio; the median over pairs of arms.
    """

    n_arms: int
    between_rounds: float
    over_independent: float
    neighbours: float
    neighbouring_rounds: float
    apart: float
    of_ratio: float


def noise_of(cells: Collection[CellSummary]) -> Noise:
    """Describe the noise of the arms that a simulation draws from."""
    arms = six_round_arms(cells)
    spreads, steps, neighbours, apart = [], [], [], []
    for cell in arms:
        rounds = [np.log(times) for times in cell.round_times.values()]
        medians = _logs(cell)
        spreads.append(medians.std(ddof=1))
        steps.append(math.sqrt(np.mean([math.pi / 2 * values.var(ddof=1) / len(values) for values in rounds])))
        moved = [values - values.mean() for values in rounds if values.std() > 0]
        neighbours += [float(values[1:] @ values[:-1] / (values @ values)) for values in moved]
        apart += [*(medians - medians.min() > math.log(APART))]
    pairs = real_rounds(cells).pairs
    of_ratio = [pair.std(ddof=1) for pair in pairs]
    centred = [(pair - pair.mean()) / pair.std() for pair in pairs if pair.std() > 0]
    # Around their own mean, n independent rounds have a correlation of −1/n.
    between = [float(values[1:] @ values[:-1]) / (len(values) - 1) + 1 / len(values) for values in centred]
    return Noise(
        len(arms),
        *(float(np.median(spreads)), float(np.median(np.divide(spreads, np.maximum(steps, 1e-12))))),
        *(float(np.mean(neighbours)), float(np.mean(between or [math.nan]))),
        *(float(np.mean(apart)), float(np.median(of_ratio))),
    )
