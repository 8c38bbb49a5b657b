"""The fast engine over this project's commits: ratios to the reference and changes between landmarks.

    rows of suite `history` ─► cells ─┬─► points    t_reference / t_commit, at each preset and landmark
                                      └─► changes   t_before / t_after of two landmarks that follow each other

All arms of a run took turns with each other, so a ratio is one of rounds. Another hour is another machine, so only
commits of one run are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import log, log1p

from bench.arms.labels import is_copy
from bench.arms.landmarks import LANDMARKS
from bench.arms.registry import REFERENCE
from bench.records.child import PROJECT
from bench.records.git import ask_git
from bench.records.grouping import best_of_each, grouped
from bench.records.rows import PUBLISHED
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.compare import THRESHOLD, Finding, finding
from bench.statistics.evidence import Paired, levels_of
from bench.statistics.noise import NO_FLOOR, Floor, noise_floors
from bench.statistics.ratios import Speedup, ratio_of_rounds, speedup_of
from sitegen.rows.results import Results

SUITE = "history"
COMMAND = f"invoke bench --suite {SUITE}"

_VERSION = re.compile(r"v?\d+(\.\d+)+\S*")
_PLACES = {mark.commit: number for number, mark in enumerate(LANDMARKS)}


@dataclass(frozen=True)
class HistoryPoint:
    """A commit at a preset.

    Attributes:
        pair: its cell beside the reference's.
        day: of the commit; of one that is no landmark, that of the measurement.
        change: since the landmark before it, in words.
    """

    pair: Speedup
    day: date
    change: str

    @property
    def commit(self) -> str:
        """All of its digits."""
        return str(self.pair.cell.commit)

    @property
    def preset(self) -> str:
        """The preset's name."""
        return self.pair.cell.preset


@dataclass(frozen=True)
class Change:
    """Two commits that follow each other at a preset.

    Attributes:
        found: t_before / t_after, judged as `invoke compare` does, all changes of the run together.
        floor: of the machine.
    """

    before: HistoryPoint
    after: HistoryPoint
    found: Finding
    floor: Floor

    @property
    def is_significant(self) -> bool:
        """Faster or slower, and by more than two equal arms differ."""
        beyond = abs(log(self.found.speedup)) > log1p(self.floor.difference)
        return self.found.outcome in ("faster", "slower") and beyond


def history_cells(results: Results) -> list[CellSummary]:
    """The cells of the newest run at each preset, copies included: published ones if there are any, of one machine."""
    runs = results.runs[(results.runs["suite"] == SUITE) & (results.runs["kind"] == "against")]
    cells = [cell for cell in cell_summary(runs, results.steps, ("against",)) if cell.n_rounds]
    if not cells:
        return []
    newest = max(cells, key=lambda cell: (cell.origin == PUBLISHED, cell.started_at))
    here = [cell for cell in cells if cell.scope == newest.scope]
    runs_of_presets = grouped(here, lambda cell: (cell.preset, cell.run_id)).values()
    chosen = best_of_each(
        runs_of_presets, lambda run: run[0].preset, lambda run: (len(run), max(cell.started_at for cell in run))
    )
    return [cell for run in chosen for cell in run]


def history_points(results: Results) -> list[HistoryPoint]:
    """Every landmark and then this checkout, preset by preset."""
    points = []
    for cells in grouped(history_cells(results), lambda cell: cell.preset).values():
        base = next((cell for cell in cells if cell.variant == REFERENCE), None)
        arms = [cell for cell in cells if cell is not base and not is_copy(cell.variant)]
        for cell in sorted(arms, key=lambda cell: _PLACES.get(str(cell.commit), len(_PLACES))):
            pair = speedup_of(cell, base) if base else None
            if pair:
                mark = LANDMARKS[_PLACES[str(cell.commit)]] if cell.commit in _PLACES else None
                day = mark.day if mark else cell.started_at.date()
                points.append(HistoryPoint(pair, day, mark.change if mark else "the checkout that measured"))
    return points


def history_changes(results: Results) -> list[Change]:
    """The changes between commits that follow each other, the most significant first."""
    by_preset = grouped(history_points(results), lambda point: point.preset).values()
    pairs = [pair for points in by_preset for pair in pairwise(points)]
    ratios = [ratio_of_rounds(after.pair.cell.round_times, before.pair.cell.round_times) for before, after in pairs]
    known = [(pair, ratio) for pair, ratio in zip(pairs, ratios, strict=True) if ratio]
    evidence = [Paired(tuple(map(float, ratio.logs))) for _, ratio in known]
    levels = levels_of(evidence)
    floors = noise_floors(history_cells(results))
    changes = []
    for ((before, after), ratio), found in zip(known, evidence, strict=True):
        said = finding(found, found.ends(levels), levels, THRESHOLD, f"{ratio.n_rounds} rounds")
        floor = floors.get(after.pair.cell.machine_hash, NO_FLOOR)
        changes.append(Change(before, after, said, floor))
    return sorted(changes, key=lambda change: (not change.is_significant, -abs(log(change.found.speedup))))


def releases(commits: Iterable[str], ask: Callable[..., str | None] = ask_git) -> dict[str, str]:
    """The releases that commits are the last measured ones of: commit → tag; empty without git, or without versions.

    Args:
        commits: in the order of the history.
        ask: asks git about a folder.
    """
    last: dict[str, str] = {}
    for commit in commits:
        names = (ask(PROJECT, "tag", "--contains", commit, "--sort=creatordate") or "").splitlines()
        tags = [name for name in names if _VERSION.fullmatch(name)]
        if tags:
            last[tags[0]] = commit
    return {commit: tag for tag, commit in last.items()}
