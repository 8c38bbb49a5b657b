"""This checkout against another commit in one interleaved run: `invoke bench --against REV`.

Every engine has three arms at each preset: the commit's, this checkout's, and the commit's again (the A/A arm, whose
distance to the first is noise). The commit's arms run its own engines under its own worker, unpacked into a temporary
folder; cells, rows and statistics are this checkout's. Slower cells are measured a second time, and only a cell that is
slower twice counts.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bench.arms.labels import Label, read_label
from bench.arms.suites import DEFAULT_CORPUS, Arm, Suite, select_suite
from bench.measuring.run_plan import RunOptions, Tree
from bench.measuring.runner import RunSummary, run_suite
from bench.records.child import PROJECT
from bench.records.git import GitError, run_git
from bench.records.provenance import Provenance
from bench.records.store import read_table
from bench.statistics.cells import cell_summary
from bench.statistics.compare import THRESHOLD, Comparison, compare_cells
from bench.statistics.intervals import MIN_ROUNDS
from bench.statistics.noise import noise_floors
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError

DEFAULT_PRESETS = ("small", "medium")
DEFAULT_ENGINES = ("vectorized",)
ROUNDS = MIN_ROUNDS


@dataclass(frozen=True)
class Regression:
    """The comparisons with a commit (all cells, then the slower ones again), and the runs behind them."""

    comparisons: tuple[Comparison, ...]
    summaries: tuple[RunSummary, ...]

    @property
    def exit_code(self) -> int:
        """130 if stopped; 1 if a run cannot be used; else the last comparison's."""
        codes = [summary.exit_code for summary in self.summaries if summary.exit_code]
        return codes[0] if codes else self.comparisons[-1].exit_code


def run_against(
    revision: str,
    root: Path,
    presets: Sequence[str] = (),
    engines: Sequence[str] = (),
    corpus: str | Corpus = DEFAULT_CORPUS,
    seed: int = 0,
    threshold: float = THRESHOLD,
    console: Console | None = None,
    project: Path = PROJECT,
    lock_file: Path | None = None,
) -> Regression:
    """Measure this checkout against a commit; rows go to ``root/local`` with the kind ``against``.

    Args:
        revision: a commit in any form that git accepts.
        root: the results folder.
        presets: small and medium when empty.
        engines: ``vectorized`` when empty.
        corpus: the text.
        seed: of starting weights and batches.
        threshold: relative difference up to which slower cells are accepted.
        console: for progress.
        project: the checkout.
        lock_file: the machine's when None.

    Raises:
        ConfigError: there is no such commit, or a preset or engine is unknown.
        BusyError, CorpusError, ResultsError, StorageError: as in :func:`bench.measuring.runner.run_suite`.
    """
    commit = _commit(project, revision)
    short = commit[:9]
    suite = against_suite(short, presets or DEFAULT_PRESETS, engines or DEFAULT_ENGINES)
    comparisons: list[Comparison] = []
    summaries: list[RunSummary] = []
    with tempfile.TemporaryDirectory(prefix="tinygpt-") as folder:
        unpack(project, commit, Path(folder))
        options = RunOptions(
            lock_file=lock_file,
            kind="against",
            reference=suite.arms[0].variant,
            trees={short: Tree(Path(folder), Provenance(commit, False))},
        )
        while len(comparisons) < 2 and suite.arms:
            summaries.append(run_suite(suite, root, corpus, seed, console, options))
            if summaries[-1].interrupted:
                break
            comparisons.append(_compare(root, summaries[-1].run_id, short, threshold))
            slower = {(point.variant, point.preset) for point in comparisons[-1].points if point.slower}
            suite = replace(
                suite, arms=tuple(arm for arm in suite.arms if (read_label(arm.variant).variant, arm.preset) in slower)
            )
    return Regression(tuple(comparisons), tuple(summaries))


def against_suite(revision: str, presets: Sequence[str], engines: Sequence[str]) -> Suite:
    """Return the suite: three arms of every engine at every preset, six rounds each.

    Raises:
        ConfigError: a preset or engine is unknown.
    """
    arms: list[Arm] = []
    for arm in select_suite("full", presets, engines).arms:
        if arm.variant not in engines:
            continue  # the added reference; here the commit's own arm is the reference
        arms += [
            replace(arm, variant=label.text, rounds=ROUNDS)
            for label in (Label(arm.variant, revision, 1), Label(arm.variant, None, 1), Label(arm.variant, revision, 2))
        ]
    return Suite(f"against {revision}", "", ROUNDS, tuple(arms))


def unpack(project: Path, commit: str, folder: Path) -> None:
    """Unpack a commit's engines and worker into a folder.

    Raises:
        ConfigError: the commit has none.
    """
    archive = folder / "tree.tar"
    try:
        run_git(project, "archive", f"--output={archive}", commit, "--", "tinygpt", "bench")
    except GitError as error:
        raise ConfigError(
            f"commit {commit[:9]} has no tinygpt or no bench", "a commit of this project", "git log"
        ) from error
    shutil.unpack_archive(archive, folder, filter="data")
    archive.unlink()


def _commit(project: Path, revision: str) -> str:
    try:
        return run_git(project, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except GitError as error:
        raise ConfigError(
            f"{revision!r} is no commit of this checkout ({error.problem})",
            "a commit, branch or tag",
            "git log --oneline",
        ) from error


def _compare(root: Path, run_id: str, revision: str, threshold: float) -> Comparison:
    runs, steps = read_table("runs", root), read_table("steps", root)
    cells = cell_summary(runs[runs["run_id"] == run_id], steps, ("against",))
    named = [(read_label(cell.variant), cell) for cell in cells]
    before = [replace(cell, variant=name.variant) for name, cell in named if name.revision and name.copy == 1]
    after = [replace(cell, variant=name.variant) for name, cell in named if not name.revision]
    return compare_cells(before, after, noise_floors(cells), (f"commit {revision}", "this checkout"), threshold)
