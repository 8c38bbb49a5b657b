"""Ratios of step times between two cells that come from one run, on one machine, under one protocol.

    ratio of a round    t_baseline / t_engine, of the medians of their steps in that round
    ratio of a run      the median of its rounds' ratios, by logarithms; its interval from six rounds on
    ratio of runs       :func:`combined`, where several runs measured both
    share               a ratio whose baseline is the roofline: the products' best time in the run over the cell's in
                        each of its rounds; all its spread is the cell's

Every ratio on every page is one of these. A round in which only one of the two was measured enters none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from bench.arms.registry import ROOFLINE
from bench.records.grouping import grouped
from bench.records.protocol import require_same
from bench.statistics.cells import CellSummary, RoundTimes
from bench.statistics.intervals import CONFIDENCE, MIN_ROUNDS, median, median_interval

ENOUGH_SESSIONS = 4  # the fewest whose spread says more than the intervals of their runs do


@dataclass(frozen=True, slots=True)
class Ratio:
    """A baseline's time over an engine's.

    Attributes:
        speedup: t_baseline / t_engine.
        low: lower end of its interval; NaN below six rounds.
        high: upper end, likewise.
        rounds: the ratio of each round that measured both, in their order.
        runs: where several runs are combined, the ratio of each, by time.
        noise: the machine's noise floor, a relative difference; 0 where none is known.
    """

    speedup: float
    low: float
    high: float
    rounds: tuple[float, ...]
    runs: tuple[float, ...] = ()
    noise: float = 0.0

    @property
    def n_rounds(self) -> int:
        """Rounds that measured both; of several runs, the most that one of them has."""
        return len(self.rounds)

    @property
    def has_interval(self) -> bool:
        """True from six rounds on."""
        return self.n_rounds >= MIN_ROUNDS

    @property
    def logs(self) -> np.ndarray:
        """Logarithms of the rounds' ratios (n,)."""
        return np.log(self.rounds)


@dataclass(frozen=True, slots=True)
class Speedup:
    """A cell beside another one of its run.

    Attributes:
        ratio: t_baseline / t_cell.
    """

    cell: CellSummary
    baseline: CellSummary
    ratio: Ratio


def speedup_of(cell: CellSummary, baseline: CellSummary) -> Speedup | None:
    """A cell beside another one of its run.

    Returns:
        None if their runs differ, or they have no round in common that is ok.

    Raises:
        ResultsError: their machines or protocols differ; every differing field is named.
    """
    require_same("protocol", baseline.protocol, cell.protocol)
    require_same("machine", baseline.machine, cell.machine)
    if cell.run_id != baseline.run_id:
        return None
    found = ratio_of_rounds(_times_beside(baseline, cell), _times_beside(cell, baseline))
    return Speedup(cell, baseline, found) if found else None


def _times_beside(other: CellSummary, cell: CellSummary) -> RoundTimes:
    """A cell's times by round; of the roofline its best time, in each of the other's rounds."""
    if cell.variant != ROOFLINE:
        return cell.round_times
    return dict.fromkeys(other.round_times, np.array([cell.seconds.median]))


def ratio_of_rounds(ours: RoundTimes, theirs: RoundTimes) -> Ratio | None:
    """t_theirs / t_ours over the rounds that both have; None without any.

    Args:
        ours: step times by round.
        theirs: the baseline's; planned rounds may differ (slow engines get one).
    """
    both = sorted(set(ours) & set(theirs))
    if not both:
        return None
    logs = [math.log(median(theirs[number]) / median(ours[number])) for number in both]
    found = median_interval(logs)
    return Ratio(math.exp(found.median), math.exp(found.low), math.exp(found.high), tuple(map(math.exp, logs)))


def combined(sessions: Sequence[Sequence[Ratio]]) -> Ratio:
    """One ratio from those of several runs: the mean over the sessions of the mean of their runs, by logarithms.

    The sessions are the observations, because the runs of one share its hours, and no run's interval knows how the
    next session differs. From ``ENOUGH_SESSIONS`` on, the interval is Student's, with their spread. Two or three cannot
    estimate a spread: low and high are then the widest ends of the runs' own intervals. Runs of fewer than six rounds
    count only where there is no other.
    """
    has_intervals = any(ratio.has_interval for session in sessions for ratio in session)
    kept = [[ratio for ratio in session if ratio.has_interval or not has_intervals] for session in sessions]
    good = [ratio for session in kept for ratio in session]
    if len(good) == 1:
        return good[0]
    logs = np.array([np.log([ratio.speedup for ratio in session]).mean() for session in kept if session])
    centre = float(logs.mean())
    low, high = np.log([ratio.low for ratio in good]).min(), np.log([ratio.high for ratio in good]).max()
    if has_intervals and len(logs) >= ENOUGH_SESSIONS:
        quantile = float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2))
        reach = quantile * float(logs.std(ddof=1)) / math.sqrt(len(logs))
        low, high = centre - reach, centre + reach
    deepest = max(good, key=lambda ratio: ratio.n_rounds)
    runs = tuple(ratio.speedup for ratio in good)
    return Ratio(math.exp(centre), math.exp(low), math.exp(high), deepest.rounds, runs)


def speedups(cells: Iterable[CellSummary], baseline: str) -> list[Speedup]:
    """Pair a baseline with every variant that was measured together with it.

    Args:
        cells: of several runs, machines and protocols.
        baseline: a variant, such as ``numpy``.

    Returns:
        ratios within one run, machine and protocol; the baseline itself (1×) included.

    Raises:
        ResultsError: cells that share their hashes differ in protocol or machine (a damaged file).
    """
    found = []
    measured = (cell for cell in cells if cell.n_rounds)
    for group in grouped(measured, lambda cell: cell.together).values():
        for base in [cell for cell in group if cell.variant == baseline][:1]:
            found += [pair for cell in group if (pair := speedup_of(cell, base))]
    return found
