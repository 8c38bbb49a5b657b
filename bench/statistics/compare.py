"""Two stored runs, or two commits, side by side: is the second slower?

Slower means all of: the interval of t_before / t_after lies below 1, the difference exceeds the A/A floor, and it
exceeds the threshold. Runs that were not interleaved can differ by drift alone; `invoke bench --against` measures both
sides in one run, and looks twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from bench.arms.labels import is_copy
from bench.records.grouping import grouped
from bench.records.protocol import require_same
from bench.records.store import read_table
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import chosen_cells
from bench.statistics.noise import NO_FLOOR, Floor, Floors, noise_floors, ratio_verdict
from bench.statistics.ratios import Ratio, ratio_of_rounds
from tinygpt.errors import ResultsError

THRESHOLD = 0.05  # slower by less than this is nothing to act on
SLOWER = 3  # exit codes
NOT_MEASURED = 4

Pair = tuple[CellSummary | None, CellSummary | None]  # None where a side has no such cell

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
    floor: Floor
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
    """Compare what two runs measured, or two commits (by the chosen run of each cell).

    Args:
        root: the results folder.
        before: a run's id, or the beginning of a commit.
        after: likewise.
        threshold: relative difference below which "slower" is nothing to act on.

    Raises:
        ResultsError: a side is not there, both are the same, or a cell's protocol or machine differ (with the fields).
    """
    runs, steps = read_table("runs", root), read_table("steps", root)
    cells = cell_summary(runs, steps, ("bench", "peer"))
    sides = [_side(cells, name) for name in (before, after)]
    if {cell.run_id for cell in sides[0]} == {cell.run_id for cell in sides[1]}:
        raise ResultsError(
            f"{before!r} and {after!r} are the same run", "two runs or commits", "invoke results show --all"
        )
    return compare_cells(sides[0], sides[1], noise_floors(cells), (before, after), threshold)


def _side(cells: list[CellSummary], name: str) -> list[CellSummary]:
    chosen = [cell for cell in cells if cell.run_id == name]
    if not chosen and _COMMIT.fullmatch(name):
        of_commit = [cell for cell in cells if (cell.commit or "").startswith(name) and not cell.dirty]
        if len({cell.commit for cell in of_commit}) > 1:
            raise ResultsError(
                f"several commits begin with {name!r}", "more of its digits", "invoke results show --all"
            )
        chosen = chosen_cells(of_commit)
    if not chosen:
        raise ResultsError(
            f"{name!r} names no run and no commit with clean rows", "a run_id or a commit", "invoke results show --all"
        )
    return [cell for cell in chosen if not is_copy(cell.variant)]


def compare_cells(
    before: Iterable[CellSummary],
    after: Iterable[CellSummary],
    floors: Floors,
    names: tuple[str, str],
    threshold: float,
) -> Comparison:
    """Compare cells that go by the same variants and presets.

    Args:
        before: the first side.
        after: the second.
        floors: of :func:`bench.statistics.noise.noise_floors`.
        names: of the sides, for people.
        threshold: as in :func:`compare_stored`.

    Raises:
        ResultsError: the protocol or the machine of a cell differ; every differing field is named.
    """
    points, missing = [], []
    for one, two in _pairs(before, after):
        if one and two and one.n_rounds and two.n_rounds:
            points.append(_point(one, two, floors, threshold))
        elif known := one or two:
            reasons = filter(None, (_absence(one, names[0]), _absence(two, names[1])))
            missing.append(f"{known.variant} at {known.preset}: {', '.join(reasons)}")
    return Comparison(*names, tuple(points), tuple(missing), threshold)


def _pairs(before: Iterable[CellSummary], after: Iterable[CellSummary]) -> list[Pair]:
    """Both sides of each variant and preset, by model size and variant."""
    ours, theirs = (
        grouped(cells, lambda cell: (cell.n_parameters, cell.variant, cell.preset)) for cells in (before, after)
    )
    absent: list[CellSummary | None] = [None]
    pairs: list[Pair] = []
    for key in sorted(ours.keys() | theirs.keys()):
        pairs += product(ours.get(key, absent), theirs.get(key, absent))
    of_one_machine = [pair for pair in pairs if len({cell.machine_hash for cell in pair if cell}) == 1]
    # Several machines may have measured both sides.
    return of_one_machine if any(all(pair) for pair in of_one_machine) else pairs


def _absence(cell: CellSummary | None, name: str) -> str:
    if cell is None:
        return f"not measured in {name}"
    return "" if cell.n_rounds else f"{cell.status} in {name}"


def _point(before: CellSummary, after: CellSummary, floors: Floors, threshold: float) -> Point:
    require_same("protocol", before.protocol, after.protocol)
    require_same("machine", before.machine, after.machine)
    found = ratio_of_rounds(after.round_times, before.round_times)
    if found is None:
        raise ResultsError(f"{before.variant} at {before.preset} has no round in common", "rounds of equal number")
    floor = floors.get(after.machine_hash, NO_FLOOR)
    verdict = ratio_verdict(found, floor)
    lost = 1.0 / found.speedup - 1.0  # of the time before
    slower = verdict != "unresolved" and lost > threshold
    seconds = before.seconds.median, after.seconds.median
    return Point(before.variant, before.preset, *seconds, found, floor, verdict, slower)
