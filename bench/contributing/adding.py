"""Packs into the record: checked, compared with what is there, and stored as `results/contributed/`.

What is stored is written anew from the checked tables, so that nothing else that a file held comes along. Either all
tables of a pack are stored or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.contributing.judging import require_plausible
from bench.contributing.opening import open_pack
from bench.contributing.pack import PACKED, Pack
from bench.contributing.refusal import refused
from bench.records.git import ask_git
from bench.records.row_files import table_rows
from bench.records.rows import CONTRIBUTED, PUBLISHED
from bench.records.store import parquet_bytes, table_file
from tinygpt.errors import ResultsError
from tinygpt.system.files import replace_file


@dataclass(frozen=True)
class Addition:
    """A pack that passed.

    Attributes:
        n_processes: rows of ``runs``.
        machine: the fingerprint's JSON.
        commit: of its code.
        is_known: that commit is in this checkout's history; None where git does not tell.
        files: that were stored; empty after a look.
    """

    run_id: str
    n_processes: int
    presets: tuple[str, ...]
    machine: str
    commit: str
    is_known: bool | None
    files: tuple[Path, ...]


def add_packs(root: Path, path: Path, look_only: bool = False) -> list[Addition]:
    """Add a pack, or all packs of a folder, to the contributed rows; of several, none if one is refused.

    Args:
        look_only: check and store nothing.

    Raises:
        ResultsError: a pack is refused, its run is on record, or there is no pack.
        StorageError: the file system refused.
    """
    paths = sorted(path.glob("*.zip")) if path.is_dir() else [path]
    if not paths:
        raise ResultsError(f"{path} holds no packs", "files that end in .zip", "invoke results add FILE")
    packs = []
    for each in paths:
        pack = open_pack(each)
        require_plausible(pack.name, pack.tables, root)
        _require_new(root, pack)
        packs.append(pack)
    return [_added(root, pack, look_only) for pack in packs]


def _require_new(root: Path, pack: Pack) -> None:
    """Refuse a run that is on record, under its own name or another."""
    runs = pack.tables["runs"]
    ours = {*zip(runs["machine_hash"].to_pylist(), runs["started_at"].to_pylist(), strict=True)}
    for file, rows in table_rows(root, "runs", areas=(PUBLISHED, CONTRIBUTED)).by_file():
        there = {*zip(rows["machine_hash"].to_pylist(), rows["started_at"].to_pylist(), strict=True)}
        if file.run_id == pack.run_id or there & ours:
            raise refused(pack.name, f"its run is on record: {file.area} run {file.run_id}", "a run that is not")


def _added(root: Path, pack: Pack, look_only: bool) -> Addition:
    files = []
    for table in PACKED if not look_only else ():
        if table in pack.tables:
            target = table_file(root, CONTRIBUTED, table, pack.run_id)
            replace_file(target, [parquet_bytes(pack.tables[table])])
            files.append(target)
    runs = pack.tables["runs"]
    commit = str(runs["commit"][0])
    known = ask_git(root.resolve().parent, "cat-file", "-t", commit)
    presets = tuple(dict.fromkeys(map(str, runs["preset"])))
    shallow = ask_git(root.resolve().parent, "rev-parse", "--is-shallow-repository") != "false"
    is_known = True if known == "commit" else None if shallow else False
    return Addition(pack.run_id, runs.num_rows, presets, str(runs["machine"][0]), commit, is_known, tuple(files))
