"""The chosen run: which of several runs a page quotes. All of them stay on record.

Among the runs that tried an engine at a preset on a machine, in this order:

    1. one that measured it comes before one in which it only failed
    2. published rows: a clean checkout comes before uncommitted changes
    3. one with an interval (six rounds or more) comes before one without
    4. the newest

A ratio needs both sides from one run, so it is chosen by itself: rules 2 to 4 over the runs that hold both. What is
quoted combines it with all other runs that hold both and rank as high by rules 2 and 3, under one protocol
(``bench.statistics.ratios.combined``). The pairs of this project's engine, the peers and the roofline come first from
``peer_runs``, which the page of the peers shows, so that a ratio is the same on all pages.

A failure is shown beside a measured cell only if it says something that the measurement does not: it happened in the
same run or later, it was not stopped by hand, and if it is a timeout, its limit was not shorter than what the cell took
or was granted elsewhere.

Engines beside peers are read as one picture, so before all of these comes ``complete_runs``: at a preset where a clean
run measured the reference, this project's engine and a peer, whatever the newest such run measured is taken from it,
even if an older one had more rounds. One that gave the reference as many rounds as the engine comes first, then one
that measured more of the peers: a quick look at a few of them does not hide where the others stand.

Published and local rows stand side by side in tables and figures. What quotes one of the two quotes the published ones
where there are any (``quoted_origin``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import pandas as pd

from bench.arms.registry import FAST, JAX_ON_CPU, OURS, PEERS, REFERENCE, ROOFLINE
from bench.records.grouping import best_of_each, grouped
from bench.records.rows import LOCAL, PUBLISHED, Kind, Place, StoredRun
from bench.records.store import stored_runs
from bench.statistics.cells import CellSummary
from bench.statistics.ratios import Speedup, combined
from bench.statistics.sessions import sessions

R = TypeVar("R", bound=CellSummary | StoredRun)

# At a place, the run that is quoted and the variants that it measured.
ChosenRuns = Mapping[Place, tuple[str, Collection[str]]]


def quoted_origin(origins: Iterable[str]) -> str:
    """The area to quote of those that rows lie in: published if any is, else local."""
    return PUBLISHED if PUBLISHED in set(origins) else LOCAL


def chosen_cells(cells: Iterable[CellSummary], chosen: ChosenRuns = MappingProxyType({})) -> list[CellSummary]:
    """The cell that is quoted for each engine variant and preset of a machine, in their order.

    Args:
        chosen: complete runs, whose cells come first where there are any.
    """
    return best_of_each(
        _without_short_timeouts([cell for cell in cells if counts(chosen, cell)]),
        lambda cell: cell.arm,
        lambda cell: (cell.n_rounds > 0, cell.is_clean, cell.has_interval, cell.started_at),
    )


def chosen_ratios(
    ratios: Iterable[Speedup],
    chosen: ChosenRuns = MappingProxyType({}),
    beside_peers: ChosenRuns = MappingProxyType({}),
) -> list[Speedup]:
    """The ratio that is quoted for each pair of engine variants at a preset of a machine, in their order.

    Args:
        chosen: complete runs, whose cells are used for the pair where there are any.
        beside_peers: of ``peer_runs``, in their place for pairs of the engine, the peers and the roofline.

    Returns:
        the chosen run's cells with the ratio of all runs that are as good.
    """
    quoted = []
    for group in grouped(ratios, lambda pair: (pair.cell.arm, pair.baseline.variant)).values():
        runs = beside_peers if _is_beside_peers(group[0]) else chosen
        first = max(group, key=partial(_pair_rank, runs))
        alike = [
            pair
            for pair in group
            if pair.cell.protocol_hash == first.cell.protocol_hash and pair.cell.is_clean == first.cell.is_clean
        ]
        by_session = sessions(alike, lambda pair: pair.cell.started_at)
        quoted.append(replace(first, ratio=combined([[pair.ratio for pair in session] for session in by_session])))
    return quoted


def _is_beside_peers(pair: Speedup) -> bool:
    sides = {pair.cell.variant, pair.baseline.variant}
    return ROOFLINE in sides or sides <= {*FAST, JAX_ON_CPU, *PEERS}


def _pair_rank(runs: ChosenRuns, pair: Speedup) -> tuple[object, ...]:
    return counts(runs, pair.cell, pair.baseline), pair.cell.is_clean, pair.ratio.has_interval, pair.cell.started_at


def chosen_failures(
    runs: pd.DataFrame, cells: Iterable[CellSummary], kinds: Sequence[Kind] = ("bench",)
) -> list[StoredRun]:
    """The failure worth showing for each engine variant and preset of a machine, where there is one."""
    tried = stored_runs(runs[runs["kind"].isin([*kinds])])
    measured = {cell.arm: cell for cell in cells if cell.n_rounds}

    def adds_something(failure: StoredRun) -> bool:
        beside = measured.get(failure.arm)
        if beside is None:
            return True
        later = failure.run_id == beside.run_id or failure.started_at > beside.started_at
        return later and failure.status != "interrupted"

    failed = (run for run in _without_short_timeouts(tried) if run.status != "ok" and adds_something(run))
    return best_of_each(failed, lambda run: run.arm, lambda run: run.started_at)


def _without_short_timeouts(rows: Collection[R]) -> list[R]:
    """Leave out timeouts of cells that took longer when they were measured, or that had longer and failed as well."""
    groups = grouped(rows, lambda row: row.arm)
    longest = {key: max(map(_seconds_of, group)) for key, group in groups.items()}
    return [row for row in rows if row.status != "timeout" or _seconds_of(row) >= longest[row.arm]]


def _seconds_of(row: CellSummary | StoredRun) -> float:
    """Seconds that a measurement took, or that a timeout had; 0 of other failures."""
    seconds = {"ok": row.wall_seconds, "timeout": row.limit_seconds}.get(row.status)
    return seconds or 0.0


# ---- one run for all that stands at a place --------------------------------------------------------------


def complete_runs(cells: Iterable[CellSummary]) -> ChosenRuns:
    """The newest complete run of every place that has one.

    Args:
        cells: of processors, the peers' included.
    """
    measured = (cell for cell in cells if cell.n_rounds)
    runs = grouped(measured, lambda cell: (cell.place, cell.run_id)).values()
    best = best_of_each(filter(_is_complete, runs), lambda run: run[0].place, _rank)
    return {run[0].place: (run[0].run_id, {cell.variant for cell in run}) for run in best}


def _is_complete(run: list[CellSummary]) -> bool:
    variants = {cell.variant for cell in run}
    return {REFERENCE, OURS} <= variants and bool(variants & PEERS.keys()) and all(cell.is_clean for cell in run)


def _rank(run: list[CellSummary]) -> tuple[object, ...]:
    rounds = {cell.variant: cell.n_rounds for cell in run}
    newest = max(cell.started_at for cell in run)
    return rounds[REFERENCE] >= rounds[OURS], len(rounds.keys() & PEERS.keys()), newest


def peer_runs(cells: Iterable[CellSummary], peers: Collection[str] = PEERS) -> ChosenRuns:
    """The run of every place that compares this project's engine with peers.

    Clean code comes first, then the run that measured more of them, then more rounds, then the newest.
    """
    groups = grouped(cells, lambda cell: cell.together).values()
    with_peers = [group for group in groups if any(cell.variant in peers for cell in group)]
    best = best_of_each(with_peers, lambda run: run[0].place, _peer_rank)
    return {run[0].place: (run[0].run_id, {cell.variant for cell in run}) for run in best}


def _peer_rank(run: list[CellSummary]) -> tuple[object, ...]:
    """The id decides in the end, which begins with its run's time."""
    ours = [cell.n_rounds for cell in run if cell.variant in FAST]
    compared = {REFERENCE, *FAST, JAX_ON_CPU, ROOFLINE, *PEERS}
    measured = {cell.variant for cell in run if cell.n_rounds and cell.variant in compared}
    clean = all(cell.is_clean for cell in run)
    return any(ours), clean, len(measured), max(ours, default=0), run[0].run_id


def counts(chosen: ChosenRuns, *cells: CellSummary) -> bool:
    """True for cells of the chosen run, and for cells of another run of which it did not measure every variant.

    Args:
        chosen: by place; where it has none, every run counts.
        cells: a cell, or both sides of a ratio.
    """
    first = cells[0]
    run_id, variants = chosen.get(first.place, (first.run_id, ()))
    return first.run_id == run_id or not {cell.variant for cell in cells} <= {*variants}
