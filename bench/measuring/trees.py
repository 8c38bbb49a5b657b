"""Other commits' engines and workers, unpacked into a folder for as long as a run measures them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bench.arms.labels import read_label
from bench.arms.landmarks import short_commit
from bench.arms.suites import DEFAULT_CORPUS, Suite
from bench.measuring.run_plan import RunOptions, Tree
from bench.measuring.runner import RunSummary, run_suite
from bench.records.child import PROJECT
from bench.records.git import GitError, run_git
from bench.records.provenance import Provenance
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError


def run_commits(
    suite: Suite,
    root: Path,
    corpus: str | Corpus = DEFAULT_CORPUS,
    seed: int = 0,
    console: Console | None = None,
    project: Path = PROJECT,
    lock_file: Path | None = None,
) -> RunSummary:
    """Run a suite some of whose arms are other commits' engines; rows go to ``root/local`` with the kind ``against``.

    Args:
        lock_file: the machine's when None.

    Raises:
        ConfigError: a commit is not in this checkout.
        BusyError, CorpusError, ResultsError, StorageError: as in :func:`bench.measuring.runner.run_suite`.
    """
    revisions = [label.revision for arm in suite.arms if (label := read_label(arm.variant)).revision]
    with unpacked(project, revisions) as trees:
        options = RunOptions(lock_file=lock_file, kind="against", trees=trees)
        return run_suite(suite, root, corpus, seed, console, options)


@contextmanager
def unpacked(project: Path, revisions: Sequence[str]) -> Iterator[Mapping[str, Tree]]:
    """Unpack commits, by the start of their names that arms have; all are there before the first is unpacked.

    Raises:
        ConfigError: a revision is no commit of the project, or has no engines.
    """
    commits = [find_commit(project, revision) for revision in dict.fromkeys(revisions)]
    with tempfile.TemporaryDirectory(prefix="tinygpt-") as folder:
        trees = {}
        for commit in commits:
            short = short_commit(commit)
            tree = Path(folder) / short
            _unpack(project, commit, tree)
            trees[short] = Tree(tree, Provenance(commit, False))
        yield trees


def find_commit(project: Path, revision: str) -> str:
    """The whole name of a commit.

    Raises:
        ConfigError: the project has no such commit.
    """
    try:
        return run_git(project, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except GitError as error:
        raise ConfigError(
            f"{revision!r} is no commit of this checkout ({error.problem})",
            "a commit, branch or tag of a checkout with its history",
            "git log --oneline",
        ) from error


def _unpack(project: Path, commit: str, folder: Path) -> None:
    """Unpack a commit's engines and worker into a new folder.

    Raises:
        ConfigError: the commit has none.
    """
    folder.mkdir()
    archive = folder / "tree.tar"
    try:
        run_git(project, "archive", f"--output={archive}", commit, "--", "tinygpt", "bench")
    except GitError as error:
        raise ConfigError(
            f"commit {short_commit(commit)} has no tinygpt or no bench", "a commit of this project", "git log"
        ) from error
    shutil.unpack_archive(archive, folder, filter="data")
    archive.unlink()
