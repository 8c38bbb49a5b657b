"""Two stored runs, or two commits, side by side: is the second slower?

Slower means all of: the interval of t_before / t_after lies below 1, the difference exceeds the A/A floor, and it
exceeds the threshold. Runs that were not interleaved can differ by drift alone; `invoke bench --against` measures both
sides in one run, and looks twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.arms.labels import is_copy
from bench.records.protocol import require_same
from bench.records.store import read_table
from bench.statistics.chosen_runs import newest_cells
from bench.statistics.noise import floor_of, noise_floors, ratio_verdict
from bench.statistics.summary import Ratio, cell_summary, ratio_of_rounds
from tinygpt.errors import ResultsError

THRESHOLD = 0.05  # slower by less than this is nothing to act on
SLOWER = 3  # exit codes
NOT_MEASURED = 4

_COMMIT = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class Point:
    """One engine variant at one preset, before and after.

    Attributes:
        variant: engine with its options.
        preset: model shape and batch.
        before_seconds: median step time.
        after_seconds: median step time.
        ratio: t_before / t_after; above 1 the second side is faster.
        floor: difference that is noise.
        verdict: ``stable``, ``noisy`` or ``unresolved``.
        slower: beyond interval, floor and threshold.
    """

    variant: str
    preset: str
    before_seconds: float
    after_seconds: float
    ratio: Ratio
    floor: float
    verdict: str
    slower: bool


@dataclass(frozen=True)
class Comparison:
    """Every cell that both sides measured, and those that only one did.

    Attributes:
        before: what the first side is, in words.
        after: what the second side is.
        points: ordered by model size.
        missing: "variant at preset: why" for every cell of one side that the other has no time for.
        threshold: what was asked for.
    """

    before: str
    after: str
    points: tuple[Point, ...]
    missing: tuple[str, ...]
    threshold: float

    @property
    def exit_code(self) -> int:
        """``SLOWER`` if a point is, else ``NOT_MEASURED`` if there is none or some are missing, else 0."""
        if any(point.slower for point in self.points):
            return SLOWER
        return NOT_MEASURED if self.missing or not self.points else 0


def compare_stored(root: Path, before: str, after: str, threshold: float = THRESHOLD) -> Comparison:
    """Compare what two runs measured, or two commits (by the run that speaks for each cell).

    Args:
        root: the results folder.
        before: a run's id, or the beginning of a commit.
        after: likewise.
        threshold: relative difference below which "slower" is nothing to act on.

    Raises:
        ResultsError: a side is not there, both are the same, or a cell's protocol or machine differ (with the fields).
    """
    runs, steps = read_table("runs", root), read_table("steps", root)
    summary = cell_summary(runs, steps, ("bench", "peer"))
    floors = noise_floors(summary)
    sides = [_side(summary, name) for name in (before, after)]
    if set(sides[0]["run_id"]) == set(sides[1]["run_id"]):
        raise ResultsError(
            f"{before!r} and {after!r} are the same run", "two runs or commits", "invoke results show --all"
        )
    return compare_cells(sides[0], sides[1], floors, (before, after), threshold)


def _side(summary: pd.DataFrame, name: str) -> pd.DataFrame:
    chosen = summary[summary["run_id"] == name]
    if chosen.empty and _COMMIT.fullmatch(name):
        of_commit = summary[summary["commit"].astype(str).str.startswith(name) & ~summary["dirty"].astype(bool)]
        if of_commit["commit"].nunique() > 1:
            raise ResultsError(
                f"several commits begin with {name!r}", "more of its digits", "invoke results show --all"
            )
        chosen = newest_cells(of_commit)
    if chosen.empty:
        raise ResultsError(
            f"{name!r} names no run and no commit with clean rows", "a run_id or a commit", "invoke results show --all"
        )
    return chosen[~chosen["variant"].map(is_copy)]


def compare_cells(
    before: pd.DataFrame,
    after: pd.DataFrame,
    floors: dict[tuple[str, str], float],
    names: tuple[str, str],
    threshold: float,
) -> Comparison:
    """Compare rows of :func:`bench.statistics.summary.cell_summary` that go by the same variants and presets.

    Args:
        before: the first side.
        after: the second.
        floors: of :func:`bench.statistics.noise.noise_floors`.
        names: of the sides, for people.
        threshold: as in :func:`compare_stored`.

    Raises:
        ResultsError: the protocol or the machine of a cell differ; every differing field is named.
    """
    pairs = before.merge(after, on=["variant", "preset"], how="outer", suffixes=("_before", "_after"))
    pairs = pairs.assign(size=pairs["n_parameters_before"].fillna(pairs["n_parameters_after"]))
    same = pairs["machine_hash_before"] == pairs["machine_hash_after"]
    if same.any():  # several machines may have measured both sides
        pairs = pairs[same | pairs["machine_hash_before"].isna() | pairs["machine_hash_after"].isna()]
    points, missing = [], []
    for _, pair in pairs.sort_values(["size", "variant"], kind="stable").iterrows():
        reasons = [_absence(pair, side, name) for side, name in zip(("before", "after"), names, strict=True)]
        if any(reasons):
            missing.append(f"{pair['variant']} at {pair['preset']}: {', '.join(filter(None, reasons))}")
        else:
            points.append(_point(pair, floors, threshold))
    return Comparison(*names, tuple(points), tuple(missing), threshold)


def _absence(pair: pd.Series, side: str, name: str) -> str:
    if pd.isna(pair[f"n_rounds_{side}"]):
        return f"not measured in {name}"
    return "" if pair[f"n_rounds_{side}"] else f"{pair[f'status_{side}']} in {name}"


def _point(pair: pd.Series, floors: dict[tuple[str, str], float], threshold: float) -> Point:
    require_same("protocol", pair["protocol_before"], pair["protocol_after"])
    require_same("machine", pair["machine_before"], pair["machine_after"])
    found = ratio_of_rounds(pair["round_times_after"], pair["round_times_before"])
    preset = str(pair["preset"])
    floor = max(floor_of(floors, str(pair[f"run_id_{side}"]), preset) for side in ("before", "after"))
    verdict = ratio_verdict(found, floor)
    lost = 1.0 / found.speedup - 1.0  # of the time before
    slower = verdict != "unresolved" and lost > threshold
    before, after = (float(pair[f"median_step_seconds_{side}"]) for side in ("before", "after"))
    return Point(str(pair["variant"]), preset, before, after, found, floor, verdict, slower)
