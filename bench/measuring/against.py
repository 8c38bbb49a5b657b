"""This checkout against another commit in one interleaved run: `invoke bench --against REV`.

Every engine has two arms at each preset: the commit's and this checkout's. The commit's arms run its own engines under
its own worker, unpacked into a temporary folder; cells, rows and statistics are this checkout's. The rounds are judged
after 12, 18 and 24 of them (``bench.statistics.sequential``). A cell about which something can be said is measured no
further, and what is undecided at the end is inconclusive. The error is divided among the cells (Bonferroni), so that a
look at one cell does not depend on how the others end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.arms.labels import Label, read_label
from bench.arms.landmarks import short_commit
from bench.arms.suites import DEFAULT_CORPUS, Arm, Suite, select_suite
from bench.measuring.run_plan import RunOptions, no_repeats
from bench.measuring.runner import RunSummary, run_suite
from bench.measuring.trees import find_commit, unpacked
from bench.records.child import PROJECT
from bench.records.grouping import grouped
from bench.records.store import read_table
from bench.statistics.cells import cell_summary
from bench.statistics.compare import THRESHOLD, Comparison, Point, finding
from bench.statistics.evidence import ERROR, Levels, Paired
from bench.statistics.intervals import median
from bench.statistics.sequential import PLANNED_ROUNDS, excluded_means, looks
from tinygpt.arguments import number
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError

DEFAULT_PRESETS = ("small", "medium")
DEFAULT_ENGINES = ("vectorized",)


@dataclass(frozen=True)
class Regression:
    """The comparison with a commit, and the runs behind it."""

    comparison: Comparison
    summaries: tuple[RunSummary, ...]

    @property
    def exit_code(self) -> int:
        """130 if stopped; 1 if a run cannot be used; else the comparison's."""
        codes = [summary.exit_code for summary in self.summaries if summary.exit_code]
        return codes[0] if codes else self.comparison.exit_code


@dataclass
class _Series:
    """A cell's rounds so far: medians of both sides in seconds, and how many there were at each look."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)

    def point(self, variant: str, preset: str, planned: int, n_cells: int, threshold: float) -> Point:
        """The result of the rounds of all looks."""
        error = ERROR / n_cells
        evidence = Paired(tuple(np.log(np.divide(self.before, self.after)).tolist()))
        ends = evidence.ends_without(excluded_means(tuple(self.seen), planned, error)[-1])
        said = finding(evidence, ends, Levels(error, error), threshold, f"{self.seen[-1]} rounds")
        seconds = float(np.median(self.before)), float(np.median(self.after))
        return Point(variant, preset, *seconds, said)


def run_against(
    revision: str,
    root: Path,
    presets: Sequence[str] = (),
    engines: Sequence[str] = (),
    corpus: str | Corpus = DEFAULT_CORPUS,
    seed: int = 0,
    threshold: float = THRESHOLD,
    rounds: int = PLANNED_ROUNDS,
    console: Console | None = None,
    project: Path = PROJECT,
    lock_file: Path | None = None,
) -> Regression:
    """Measure this checkout against a commit; rows go to ``root/local`` with the kind ``against``.

    Args:
        revision: a commit in any form that git accepts.
        presets: small and medium when empty.
        engines: ``vectorized`` when empty.
        threshold: relative difference up to which slower cells are accepted.
        rounds: at most, of each arm.
        lock_file: the machine's when None.

    Raises:
        ConfigError: there is no such commit, a preset or engine is unknown, or a number is out of range.
        BusyError, CorpusError, ResultsError, StorageError: as in :func:`bench.measuring.runner.run_suite`.
    """
    number("threshold", threshold, 0.001, 1)
    commit = find_commit(project, revision)
    short = short_commit(commit)
    if rounds < 1:
        raise ConfigError(f"rounds is {rounds}", "1 or more", "invoke bench --against REV")
    suite = against_suite(short, presets or DEFAULT_PRESETS, engines or DEFAULT_ENGINES)
    cells = [(label.variant, arm.preset) for arm in suite.arms if not (label := read_label(arm.variant)).revision]
    series: dict[tuple[str, str], _Series] = {cell: _Series() for cell in cells}
    points: dict[tuple[str, str], Point] = {}
    missing: dict[tuple[str, str], str] = {}
    summaries: list[RunSummary] = []
    with unpacked(project, [commit]) as trees:
        done = 0
        for look in looks(rounds):
            arms = tuple(replace(arm, rounds=look - done) for arm in suite.arms)
            options = RunOptions(
                lock_file=lock_file,
                kind="against",
                reference=arms[0].variant,
                repeat=no_repeats,  # the rounds are counted, and their number spends the error
                trees=trees,
            )
            suite = replace(suite, rounds=look - done, arms=arms)
            summaries.append(run_suite(suite, root, corpus, seed, console, options))
            done = look
            missing |= _add_rounds(series, root, summaries[-1].run_id)
            measured = [cell for cell in series if series[cell].seen]
            points |= {cell: series[cell].point(*cell, rounds, len(cells), threshold) for cell in measured}
            open_cells = {cell for cell in measured if points[cell].finding.outcome == "inconclusive"} - missing.keys()
            suite = replace(
                suite,
                arms=tuple(arm for arm in suite.arms if (read_label(arm.variant).variant, arm.preset) in open_cells),
            )
            if summaries[-1].interrupted or not suite.arms:
                break
    words = tuple(f"{variant} at {preset}: {why}" for (variant, preset), why in missing.items())
    sides = f"commit {short}", "this checkout"
    return Regression(Comparison(*sides, tuple(points.values()), words, threshold), tuple(summaries))


def _add_rounds(series: Mapping[tuple[str, str], _Series], root: Path, run_id: str) -> dict[tuple[str, str], str]:
    """Add the rounds of a run, and return why cells have none."""
    runs, steps = read_table("runs", root), read_table("steps", root)
    missing = {}
    by_cell = grouped(
        cell_summary(runs[runs["run_id"] == run_id], steps, ("against",)),
        lambda cell: (read_label(cell.variant).variant, cell.preset),
    )
    for name, sides in by_cell.items():
        before, after = sorted(sides, key=lambda cell: not read_label(cell.variant).revision)
        both = sorted(before.round_times.keys() & after.round_times.keys())
        if not both:
            missing[name] = ", ".join(f"{cell.status} in {cell.variant}" for cell in (before, after))
            continue
        found = series[name]
        found.before += [median(before.round_times[number]) for number in both]
        found.after += [median(after.round_times[number]) for number in both]
        found.seen.append(len(found.after))
    return missing


def against_suite(revision: str, presets: Sequence[str], engines: Sequence[str]) -> Suite:
    """Return the suite: two arms of every engine at every preset.

    Raises:
        ConfigError: a preset or engine is unknown.
    """
    arms: list[Arm] = []
    for arm in select_suite("full", presets, engines).arms:
        if arm.variant not in engines:
            continue  # the added reference; here the commit's own arm is the reference
        arms += [
            replace(arm, variant=label.text) for label in (Label(arm.variant, revision, 1), Label(arm.variant, None, 1))
        ]
    return Suite(f"against {revision}", "", PLANNED_ROUNDS, tuple(arms))
