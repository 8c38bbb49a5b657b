"""How many times faster one cell is than another: both come from one run, on one machine, under one protocol.

With at least six rounds that both have, the ratio is the median of log(t_baseline / t_engine) over rounds, with its
interval; with fewer, it is the ratio of the medians, and the interval goes from the extremes of both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from bench.records.grouping import grouped
from bench.records.protocol import require_same
from bench.statistics.cells import CellSummary, RoundTimes
from bench.statistics.intervals import MIN_ROUNDS, median, median_interval


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster an engine is than a baseline.

    Attributes:
        speedup: t_baseline / t_engine.
        low: lower end of its interval.
        high: upper end.
        n_rounds: rounds in which both were measured.
        basis: ``rounds`` (median log-ratio over rounds) or ``steps`` (extremes of both cells' intervals).
    """

    speedup: float
    low: float
    high: float
    n_rounds: int
    basis: str


@dataclass(frozen=True, slots=True)
class Speedup:
    """A cell beside another one of its run.

    Attributes:
        cell: the engine.
        baseline: that it is compared with.
        ratio: t_baseline / t_cell.
    """

    cell: CellSummary
    baseline: CellSummary
    ratio: Ratio


def ratio(engine: CellSummary, baseline: CellSummary) -> Ratio | None:
    """The ratio of two cells that were measured in one run.

    Returns:
        None if their runs differ, or a side has no round that is ok.

    Raises:
        ResultsError: their machines or protocols differ; every differing field is named.
    """
    require_same("protocol", baseline.protocol, engine.protocol)
    require_same("machine", baseline.machine, engine.machine)
    if engine.run_id != baseline.run_id or not engine.round_times or not baseline.round_times:
        return None
    return ratio_of_rounds(engine.round_times, baseline.round_times)


def ratio_of_rounds(ours: RoundTimes, theirs: RoundTimes) -> Ratio:
    """t_theirs / t_ours, by rounds of equal number where there are six of them.

    Args:
        ours: step times by round, at least one round.
        theirs: the baseline's; planned rounds may differ (slow engines get one).
    """
    both = sorted(set(ours) & set(theirs))
    if len(both) >= MIN_ROUNDS:
        logs = median_interval([math.log(median(theirs[number]) / median(ours[number])) for number in both])
        return Ratio(math.exp(logs.median), math.exp(logs.low), math.exp(logs.high), len(both), "rounds")
    a, b = (median_interval(np.concatenate([*side.values()])) for side in (ours, theirs))
    return Ratio(b.median / a.median, b.low / a.high, b.high / a.low, len(both), "steps")


def speedups(cells: Iterable[CellSummary], baseline: str) -> list[Speedup]:
    """How many times faster than a baseline every variant is that was measured together with it.

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
            for cell in group:
                against = ratio(cell, base)
                if against and cell is base:
                    against = replace(against, speedup=1.0, low=1.0, high=1.0)  # against itself, by definition
                if against:
                    found.append(Speedup(cell, base, against))
    return found
