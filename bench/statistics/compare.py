"""Two sides, cell by cell: is the second slower?

    variants of one run    their rounds ran in turns: evidence by rounds
    two commits in turns   `invoke bench --against`: likewise (bench.measuring.against)
    two stored runs        only beside code that did not change and that both measured (bench.statistics.controls)
    two machines           likewise: faster or slower than that code would be there

Of each cell one thing is said, from the interval of t_before / t_after at a level that is corrected for the number of
cells. The *threshold* is the loss that does not matter:

    slower          the interval lies below 1, and a loss as large as the threshold is possible
    faster          it lies above 1
    not slower      a loss as large as the threshold is excluded
    inconclusive    none of these: more rounds may tell
    not comparable  two stored runs without a control
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from bench.arms.labels import is_copy
from bench.records.grouping import best_of_each, grouped
from bench.records.protocol import require_same
from bench.records.rows import Kind
from bench.records.store import read_tables
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import chosen_cells
from bench.statistics.controls import Record, is_unchanged, probe_rounds
from bench.statistics.evidence import Evidence, Levels, Paired, detectable, levels_of
from bench.statistics.ratios import speedups
from tinygpt.arguments import number
from tinygpt.errors import ResultsError

THRESHOLD = 0.05  # slower by less than this is nothing to act on
SLOWER = 3  # exit codes
NOT_MEASURED = 4
INCONCLUSIVE = 5

Outcome = Literal["slower", "faster", "not slower", "inconclusive", "not comparable"]
KINDS: tuple[Kind, ...] = ("bench", "peer", "roofline")

_HASH = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True)
class Finding:
    """The comparison of a cell.

    Attributes:
        speedup: t_before / t_after; above 1 the second side is faster.
        low: lower end of its interval; NaN without evidence.
        high: upper end, likewise.
        confidence: of the interval; NaN without evidence. Two-sided, so a level of 5 % each way is 90 %.
        detectable: the smallest relative difference that such an interval would probably show; NaN without evidence.
        outcome: as the module says.
        basis: rounds, or controls that were divided out, or why there is no evidence.
    """

    speedup: float
    low: float
    high: float
    confidence: float
    detectable: float
    outcome: Outcome
    basis: str


@dataclass(frozen=True)
class Point:
    """One engine variant at one preset, before and after.

    Attributes:
        variant: engine with its options; of two variants, the second.
        before_seconds: median step time.
        after_seconds: median step time.
        finding: what can be said of them.
    """

    variant: str
    preset: str
    before_seconds: float
    after_seconds: float
    finding: Finding


@dataclass(frozen=True)
class Comparison:
    """Every cell that both sides measured, and those that only one did.

    Attributes:
        before: what the first side is, in words.
        after: what the second side is.
        missing: "variant at preset: why" for every cell of one side that the other has no time for.
    """

    before: str
    after: str
    points: tuple[Point, ...]
    missing: tuple[str, ...]
    threshold: float

    @property
    def exit_code(self) -> int:
        """The first that applies: something is slower, something is missing, something is inconclusive; else 0."""
        outcomes = {point.finding.outcome for point in self.points}
        if "slower" in outcomes:
            return SLOWER
        if self.missing or not self.points:
            return NOT_MEASURED
        return INCONCLUSIVE if "inconclusive" in outcomes else 0


def finding(evidence: Evidence, ends: tuple[float, float], levels: Levels, threshold: float, basis: str) -> Finding:
    """The change that an interval of log(t_before / t_after) shows."""
    low, high = ends
    outcome: Outcome = "slower" if high < 0 else "inconclusive"
    if low > -math.log1p(threshold):
        outcome = "faster" if low > 0 else "not slower"
    interval = math.exp(low), float(np.exp(high)), levels.confidence
    return Finding(math.exp(evidence.centre), *interval, detectable(ends, levels), outcome, basis)


# ---- stored rows -----------------------------------------------------------------------------------------


def compare_stored(root: Path, before: str, after: str, threshold: float = THRESHOLD) -> Comparison:
    """Compare two stored sides: runs, commits, machines (by the chosen run of each cell), or two variants of one run.

    Args:
        before: a run's id, the beginning of a commit or of a machine's hash, a variant, or ``RUN/VARIANT``.
        after: likewise.
        threshold: relative difference below which "slower" is nothing to act on.

    Raises:
        ConfigError: the threshold is not between 0.001 and 1.
        ResultsError: a side is not there, both are the same, or a cell's protocol or machine differ (with the fields).
    """
    number("threshold", threshold, 0.001, 1)
    runs, steps, probes = read_tables(root, ("runs", "steps", "probes"))
    cells = cell_summary(runs, steps, KINDS)
    variants = {cell.variant for cell in cells}
    names = [_split(name, variants) for name in (before, after)]
    if all(variant for _, variant in names):
        return _compare_variants(cells, names, (before, after), threshold)
    sides = [find_side(cells, name) for name in (before, after)]
    if {cell.run_id for cell in sides[0].cells} == {cell.run_id for cell in sides[1].cells}:
        raise ResultsError(
            f"{before!r} and {after!r} are the same run",
            "two runs or commits, or two variants of a run",
            f"invoke compare {before}/VARIANT {after}/VARIANT",
        )
    record = Record(cells, probe_rounds(runs, probes))
    across = any(side.is_machine for side in sides)
    return compare_cells(record, sides[0].cells, sides[1].cells, (before, after), threshold, across)


def _split(name: str, variants: set[str]) -> tuple[str, str]:
    """The run and the variant that a side names; either may be empty."""
    run, slash, variant = name.rpartition("/")
    return (run, variant) if slash or variant in variants else (name, "")


def _compare_variants(
    cells: list[CellSummary], sides: Sequence[tuple[str, str]], names: tuple[str, str], threshold: float
) -> Comparison:
    """Compare two variants at each preset of each machine, in its newest clean run with six rounds of both, if any."""
    (run, before), (other, after) = sides
    if run != other or before == after:
        raise ResultsError(
            f"{names[0]!r} and {names[1]!r} are no two variants of one run",
            "RUN/VARIANT RUN/VARIANT, or two variants",
            "invoke results show --all",
        )
    if run:
        find_side(cells, run)  # raises the error for a run that is not there
    pairs = [
        pair
        for pair in speedups([cell for cell in cells if run in ("", cell.run_id)], before)
        if pair.cell.variant == after
    ]
    chosen = best_of_each(
        pairs,
        lambda pair: pair.cell.place,
        lambda pair: (pair.cell.is_clean, pair.ratio.has_interval, pair.cell.started_at),
    )
    evidence = [Paired(tuple(map(float, pair.ratio.logs))) for pair in chosen]
    levels = levels_of(evidence)
    points = []
    for pair, found in zip(chosen, evidence, strict=True):
        basis = f"{pair.ratio.n_rounds} rounds of {pair.cell.run_id}"
        said = finding(found, found.ends(levels), levels, threshold, basis)
        seconds = pair.baseline.seconds.median, pair.cell.seconds.median
        points.append(Point(after, pair.cell.preset, *seconds, said))
    return Comparison(*names, tuple(points), (), threshold)


class Side(NamedTuple):
    """One side of a comparison: its cells, without copies and unchanged code; ``is_machine`` is true of a machine's."""

    cells: list[CellSummary]
    is_machine: bool = False


def find_side(cells: Iterable[CellSummary], name: str) -> Side:
    """Return the side with a name.

    Raises:
        ResultsError: it names nothing, or several commits or machines.
    """
    compared = [cell for cell in cells if not is_copy(cell.variant) and not is_unchanged(cell)]
    if found := [cell for cell in compared if cell.run_id == name]:
        return Side(found)
    if _HASH.fullmatch(name):
        of_commit = [cell for cell in compared if (cell.commit or "").startswith(name) and not cell.dirty]
        if found := side_of_commit(_only_one("commits", name, of_commit, {cell.commit for cell in of_commit})):
            return Side(found)
        of_machine = [cell for cell in compared if cell.machine_hash.startswith(name)]
        _only_one("machines", name, of_machine, {cell.machine_hash for cell in of_machine})
        if found := side_of_machine(of_machine):
            return Side(found, is_machine=True)
    raise ResultsError(
        f"{name!r} names no run, no commit or machine with clean rows and no variant",
        "a run_id, a commit, a machine's hash, a variant or RUN/VARIANT",
        "invoke results show --all",
    )


def _only_one(kind: str, name: str, cells: list[CellSummary], names: set[str | None]) -> list[CellSummary]:
    if len(names) > 1:
        raise ResultsError(f"several {kind} begin with {name!r}", "more of its digits", "invoke results show --all")
    return cells


def side_of_commit(cells: Iterable[CellSummary]) -> list[CellSummary]:
    """The chosen cells of a commit: of a clean checkout."""
    return chosen_cells(cell for cell in cells if not cell.dirty)


def side_of_machine(cells: Iterable[CellSummary]) -> list[CellSummary]:
    """The chosen cells of a machine by each protocol: of clean checkouts."""
    groups = grouped((cell for cell in cells if cell.is_clean), lambda cell: cell.protocol_hash).values()
    return [cell for group in groups for cell in chosen_cells(group)]


def compare_cells(
    record: Record,
    before: Iterable[CellSummary],
    after: Iterable[CellSummary],
    names: tuple[str, str],
    threshold: float,
    across: bool = False,
) -> Comparison:
    """Compare cells of two runs that go by the same variants and presets.

    Args:
        record: of all runs, whose unchanged code is the control.
        across: a side is a machine. Cells then go by their protocol too, and machines may differ.

    Raises:
        ResultsError: the protocol or the machine of a cell differ; every differing field is named.
    """
    pairs, missing = [], []
    for one, two in _pairs(before, after, across):
        if one and two and one.n_rounds and two.n_rounds:
            require_same("protocol", one.protocol, two.protocol)
            if not across:
                require_same("machine", one.machine, two.machine)
            pairs.append((one, two, *record.controlled(one, two)))
        elif known := one or two:
            reasons = filter(None, (_absence(one, names[0]), _absence(two, names[1])))
            missing.append(f"{known.variant} at {known.preset}: {', '.join(reasons)}")
    levels = levels_of([found for *_, found, _ in pairs if found])
    points = []
    for one, two, found, basis in pairs:
        before_seconds, after_seconds = one.seconds.median, two.seconds.median
        unknown = (math.nan, math.nan, math.nan, math.nan)
        said = Finding(before_seconds / after_seconds, *unknown, "not comparable", basis)
        if found:
            said = finding(found, found.ends(levels), levels, threshold, f"beside {basis}")
        points.append(Point(two.variant, two.preset, before_seconds, after_seconds, said))
    return Comparison(*names, tuple(points), tuple(missing), threshold)


Pair = tuple[CellSummary | None, CellSummary | None]  # None where a side has no such cell


def _pairs(before: Iterable[CellSummary], after: Iterable[CellSummary], across: bool) -> list[Pair]:
    """Both sides of each variant and preset, and protocol if a side is a machine, by model size and variant."""
    ours, theirs = (
        grouped(cells, lambda cell: (cell.n_parameters, cell.variant, cell.preset, cell.protocol_hash * across))
        for cells in (before, after)
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
