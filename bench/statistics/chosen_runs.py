"""Which run speaks for a cell. All of them stay on record; tables, figures and numbers show one at a time.

Among the runs that tried an engine at a preset on a machine, in this order:

    1. one that measured it comes before one in which it only failed
    2. published rows: a clean checkout comes before uncommitted changes
    3. an interval over rounds (six or more) comes before one over the steps of fewer
    4. the newest

A ratio needs both sides from one run, so it is chosen by itself: rules 2 to 4 over the runs that hold both. A failure
is shown beside a measured cell only if it says something that the measurement does not: it happened in the same run
or later, nobody stopped it by hand, and if it is a timeout, its limit was not shorter than what the cell took elsewhere
or was granted elsewhere.

Engines beside rivals are read as one picture, so before all of these comes ``from_complete_runs``: at a preset where a
clean run measured the reference, this project's engine and a rival, whatever the newest such run measured is taken from
it, even if an older one had more rounds. One that gave the reference as many rounds as the engine comes first, then one
that measured more of the rivals: a quick look at a few of them does not hide where the others stand.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import pandas as pd

from bench.arms.registry import OURS, PEERS, REFERENCE

PLACE = ["origin", "machine_hash", "preset", "variant"]


def newest_cells(summary: pd.DataFrame) -> pd.DataFrame:
    """The row that speaks for each engine variant and preset of a machine.

    Args:
        summary: of :func:`bench.statistics.summary.cell_summary`.

    Returns:
        some of its rows, in its order.
    """
    rows = _without_short_timeouts(summary, summary["n_rounds"] > 0)
    ranked = rows.assign(
        rank_measured=rows["n_rounds"] > 0,
        rank_clean=_clean(rows),
        rank_deep=(rows["n_rounds"] > 0) & (rows["interval_basis"] == "rounds"),
    )
    best = _first(ranked, ["rank_measured", "rank_clean", "rank_deep", "started_at"], PLACE)
    return summary.loc[best]


def from_complete_runs(rows: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """Cells or ratios without those that a newer complete run measured as well.

    Args:
        rows: of :func:`bench.statistics.summary.cell_summary` or :func:`bench.statistics.summary.speedups`; of a ratio,
        both sides count. summary: all cells, the rivals' included: says which runs are complete.

    Returns:
        some of the rows, in their order.
    """
    measured = summary[summary["n_rounds"] > 0]
    newest: dict[tuple[str, ...], tuple[tuple[bool, int, datetime], str, set[str]]] = {}
    for group, run in measured.groupby([*PLACE[:3], "run_id"], sort=False):
        *place, run_id = map(str, group)
        key = tuple(place)
        rounds = dict(zip(run["variant"], run["n_rounds"], strict=True))
        if not ({REFERENCE, OURS} <= rounds.keys() and rounds.keys() & PEERS.keys() and _clean(run).all()):
            continue
        rank = (rounds[REFERENCE] >= rounds[OURS], len(rounds.keys() & PEERS.keys()), run["started_at"].max())
        if key not in newest or rank > newest[key][0]:
            newest[key] = (rank, run_id, set(run["variant"]))
    sides = [name for name in ("variant", "baseline") if name in rows]
    kept = []
    for row in rows[[*PLACE[:3], "run_id", *sides]].itertuples(index=False, name=None):
        _, speaks, variants = newest.get(row[:3], (None, row[3], set[str]()))
        kept.append(row[3] == speaks or not variants.issuperset(row[4:]))
    return rows[pd.Series(kept, index=rows.index, dtype=bool)]


def newest_failures(runs: pd.DataFrame, cells: pd.DataFrame, kinds: Collection[str] = ("bench",)) -> pd.DataFrame:
    """The failure worth showing for each engine variant and preset of a machine, where there is one.

    Args:
        runs: the table ``runs``.
        cells: of :func:`newest_cells`.
        kinds: of the rows that count.

    Returns:
        rows of ``runs``, at most one per place.
    """
    tried = runs[runs["kind"].isin([*kinds])]
    tried = _without_short_timeouts(tried, tried["status"] == "ok")
    failed = tried[tried["status"] != "ok"].reset_index(drop=True)
    measured = cells.loc[cells["n_rounds"] > 0, [*PLACE, "run_id", "started_at"]]
    beside = failed.merge(measured, on=PLACE, how="left", suffixes=("", "_measured"))
    alone = beside["run_id_measured"].isna()
    same_run = beside["run_id"] == beside["run_id_measured"]
    later = beside["started_at"] > beside["started_at_measured"]
    failed = failed[alone | ((same_run | later) & (beside["status"] != "interrupted"))]
    return failed.loc[_first(failed, ["started_at"], PLACE)]


def newest_ratios(ratios: pd.DataFrame) -> pd.DataFrame:
    """The run that speaks for each pair of engine variants at a preset of a machine.

    Args:
        ratios: of :func:`bench.statistics.summary.speedups`, of one baseline or several.

    Returns:
        some of its rows, in its order.
    """
    ranked = ratios.assign(rank_clean=_clean(ratios), rank_deep=ratios["ratio_basis"] == "rounds")
    return ratios.loc[_first(ranked, ["rank_clean", "rank_deep", "started_at"], [*PLACE, "baseline"])]


def _clean(rows: pd.DataFrame) -> pd.Series:
    """False where published rows come from uncommitted changes; local rows are somebody's work in progress."""
    return (rows["origin"] != "published") | ~rows["dirty"].astype(bool)


def _first(rows: pd.DataFrame, order: list[str], keys: list[str]) -> list[object]:
    """Labels of the rows that rank highest among those of equal keys, in the rows' own order."""
    if rows.empty:
        return []
    best = rows.sort_values(order, ascending=False, kind="stable").drop_duplicates(keys)
    return list(rows.index[rows.index.isin(best.index)])


def _without_short_timeouts(rows: pd.DataFrame, measured: pd.Series) -> pd.DataFrame:
    """Leave out timeouts of cells that took longer when they were measured, or that had longer and failed as well."""
    if rows.empty:
        return rows
    timeouts = (rows["status"] == "timeout") & ~measured
    seconds = pd.to_numeric(rows["limit_seconds"]).where(timeouts, pd.to_numeric(rows["wall_seconds"]).where(measured))
    longest = seconds.groupby([rows[name] for name in PLACE]).transform("max")
    return rows[~(timeouts & (seconds < longest))]
