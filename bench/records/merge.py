"""Several machines' results in one folder: files are copied side by side, and nothing in them is pooled.

A run's name holds the start of its machine's hash, so files of different machines do not meet; statistics keep
machines apart by themselves. A file gets the name of the run whose rows it holds, so copies of it add nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.records.row_files import load_files
from bench.records.rows import LOCAL, OWN_AREAS
from bench.records.schema import TABLES
from bench.records.store import table_file
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
        ResultsError: a folder holds no results; a file in it is foreign, cut short, of an unknown schema or has a
            value that no run writes; or two files hold different rows of one run. Nothing was added then.
        StorageError: the file system refused.
    """
    targets: dict[Path, Path] = {}
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
            for file in load_files(found[1], [(area, source)]).files:
                target = table_file(root, area, found[1], file.run_id)
                before = target if target.exists() else targets.setdefault(target, source)
                if before.read_bytes() != source.read_bytes():
                    raise ResultsError(f"{before} has other rows of its run than {source}", "one version of each run")
    added = [target for target in targets if not target.exists()]
    # Runs last, so that no run lacks its steps.
    for target in sorted(added, key=lambda target: target.name.startswith("runs-")):
        replace_file(target, [targets[target].read_bytes()])
    return added


def _sources(folder: Path) -> list[tuple[str, Path]]:
    """(area to copy to, file) of a results folder or of a folder of files."""
    inside = [(area, path) for area in OWN_AREAS for path in sorted((folder / area).glob("*.parquet"))]
    area = folder.name if folder.name in OWN_AREAS else LOCAL
    return inside or [(area, path) for path in sorted(folder.glob("*.parquet"))]
