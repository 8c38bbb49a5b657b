"""Several machines' results in one folder: files are copied side by side, and nothing in them is pooled.

A run's name holds the start of its machine's hash, so files of different machines do not meet; statistics keep
machines apart by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.records.rows import LOCAL
from bench.records.schema import TABLES
from bench.records.store import AREAS, check_file
from tinygpt.errors import ResultsError
from tinygpt.system.files import replace_file

_NAME = re.compile(rf"({'|'.join(TABLES)})-.+\.parquet")


def merge_results(root: Path, folders: Sequence[Path]) -> list[Path]:
    """Copy other results folders' files into this one: published to published, local to local.

    Args:
        root: the results folder that grows.
        folders: results folders, or folders of Parquet files, which are taken as local.

    Returns:
        the files that were added; those that were there already are not among them.

    Raises:
        ResultsError: a folder holds no results; a file in it is foreign, cut short or of an unknown schema; or a file
            of the same name holds other rows. Nothing was added then.
        StorageError: the file system refused.
    """
    copies: list[tuple[Path, bytes]] = []
    for folder in folders:
        sources = _sources(folder)
        if not sources:
            raise ResultsError(
                f"{folder} holds no results", "a results folder, or one of its areas", "invoke --help results"
            )
        for area, source in sources:
            found = _NAME.fullmatch(source.name)
            if found is None:
                raise ResultsError(f"{source} is no file of results", "runs-, steps- and samples-RUN.parquet")
            check_file(found[1], source)
            content, target = source.read_bytes(), root / area / source.name
            if not target.exists():
                copies.append((target, content))
            elif target.read_bytes() != content:
                raise ResultsError(f"{target} exists with other rows than {source}", "the same rows, or another name")
    names = [target for target, _ in copies]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ResultsError(f"{twice.name} is in two of the folders", "every run once")
    # Runs last, so that no run lacks its steps.
    for target, content in sorted(copies, key=lambda copy: copy[0].name.startswith("runs-")):
        replace_file(target, [content])
    return names


def _sources(folder: Path) -> list[tuple[str, Path]]:
    """(area to copy to, file) of a results folder or of a folder of files."""
    inside = [(area, path) for area in AREAS for path in sorted((folder / area).glob("*.parquet"))]
    area = folder.name if folder.name in AREAS else LOCAL
    return inside or [(area, path) for path in sorted(folder.glob("*.parquet"))]
