"""Local runs that could be published, the objections to them, and the copying."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.grouping import grouped
from bench.records.row_files import table_rows
from bench.records.rows import LOCAL, PUBLISHED, StoredRun
from bench.records.store import WRITTEN, read_table, stored_runs, table_file
from tinygpt.errors import ResultsError
from tinygpt.system.files import replace_file


@dataclass(frozen=True)
class Candidate:
    """A local run that is not published yet.

    Attributes:
        kind: ``bench``, ``train`` or ``against``.
        presets: that it tried, in its order.
        commit: of the code; None outside a checkout.
        objections: why it should not be published, in words; empty for most.
    """

    run_id: str
    kind: str
    suite: str
    presets: tuple[str, ...]
    commit: str | None
    statuses: dict[str, int]
    objections: tuple[str, ...]


@dataclass(frozen=True)
class Publication:
    """The rows that were chosen and left out, and the files that were added (none in a dry run)."""

    chosen: tuple[Candidate, ...]
    left_out: tuple[Candidate, ...]
    files: tuple[Path, ...]


def publish_runs(root: Path, run_ids: Sequence[str] = (), force: bool = False, look_only: bool = False) -> Publication:
    """Copy local runs into the published ones, unless there are objections.

    Args:
        run_ids: which runs; every local run without an objection when empty.

    Raises:
        ResultsError: there is no such local run, a file cannot be used, or there are objections to a run that was
            named, or against all of them. Nothing was added then.
        StorageError: the file system refused.
    """
    found = candidates(root)
    names = [candidate.run_id for candidate in found]
    for run_id in run_ids:
        if run_id not in names:
            raise ResultsError(
                f"run {run_id!r} is not a local run to publish",
                ", ".join(names) or "no local run",
                "invoke results show",
            )
    wanted = [candidate for candidate in found if not run_ids or candidate.run_id in run_ids]
    chosen = tuple(candidate for candidate in wanted if force or not candidate.objections)
    left_out = tuple(candidate for candidate in wanted if candidate not in chosen)
    if left_out and (run_ids or not chosen):
        reasons = "; ".join(f"{candidate.run_id}: {', '.join(candidate.objections)}" for candidate in left_out)
        raise ResultsError(
            f"not published: {reasons}",
            "runs of a committed checkout",
            "invoke results publish --force, to do it anyway",
        )
    files = [] if look_only or not chosen else publish(root, [candidate.run_id for candidate in chosen])
    return Publication(chosen, left_out, tuple(files))


def candidates(root: Path) -> list[Candidate]:
    """Local runs that are not published yet, oldest first.

    Raises:
        ResultsError: a file cannot be used.
    """
    runs = read_table("runs", root)
    by_run = grouped(stored_runs(runs[runs["origin"] == LOCAL]), lambda run: run.run_id)
    return [_candidate(by_run[run_id]) for run_id in sorted(by_run)]


def _candidate(rows: list[StoredRun]) -> Candidate:
    first = rows[0]
    objections = []
    if first.commit is None:
        objections.append("measured outside a checkout, so it is unknown which code ran")
    elif any(row.dirty for row in rows):
        objections.append("the code had uncommitted changes")
    if len({row.commit for row in rows} - {None}) > 1 and first.kind != "against":
        objections.append("its rows are of several commits")
    if len({row.machine_hash for row in rows}) > 1:
        objections.append("the machine changed during the run")
    return Candidate(
        first.run_id,
        first.kind,
        first.suite,
        tuple(dict.fromkeys(row.preset for row in rows)),
        first.commit,
        dict(Counter(row.status for row in rows).most_common()),
        tuple(objections),
    )


def publish(root: Path, run_ids: Iterable[str] | None = None) -> list[Path]:
    """Copy local runs into ``published``, checked file by file; local files stay.

    Args:
        run_ids: which runs; every local run when None.

    Returns:
        the files that were added, under their runs' names.

    Raises:
        ResultsError: there is no such local run, or a file of it cannot be used. Nothing was added then.
        StorageError: the file system refused.
    """
    areas = {file.run_id: file.area for file in table_rows(root, "runs").files}
    local = [run_id for run_id, area in areas.items() if area == LOCAL]
    wanted = local if run_ids is None else list(run_ids)
    for run_id in wanted:
        if run_id not in local:
            state = "is published already" if run_id in areas else "is not there"
            raise ResultsError(f"run {run_id!r} {state}", ", ".join(local) or "no local run", "invoke results show")
    copies: list[tuple[Path, bytes]] = []
    for table in WRITTEN:
        files = {file.run_id: file.path for file in table_rows(root, table, areas=[LOCAL]).files}
        copies += [
            (table_file(root, PUBLISHED, table, run_id), files[run_id].read_bytes())
            for run_id in wanted
            if run_id in files
        ]
    for target, content in copies:
        if target.exists() and target.read_bytes() != content:
            raise ResultsError(
                f"{target} exists with other rows", "published files never change", "git status results/published"
            )
    for target, content in copies:
        replace_file(target, [content])
    return [target for target, _ in copies]
