"""All rows, published and local, as files for other programs: one per table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from bench.records.schema import TABLES
from bench.records.store import read_table
from tinygpt.errors import unknown_name
from tinygpt.system.files import replace_file

EXPORT_FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": lambda frame: frame.to_csv(index=False, lineterminator="\n").encode(),
    # Times as ISO 8601, numbers with all their digits: read back, they are the same numbers.
    "json": lambda frame: frame.to_json(
        orient="records", date_format="iso", date_unit="us", double_precision=15, indent=1
    ).encode(),
    "parquet": lambda frame: frame.to_parquet(index=False),
}


def export(root: Path, out: Path, format_name: str = "csv") -> list[Path]:
    """Write all rows, published and local, as one file per table.

    Args:
        root: the results folder.
        out: folder to write into; made if missing.
        format_name: ``csv``, ``json`` or ``parquet``.

    Returns:
        the files written.

    Raises:
        ConfigError: there is no such format.
        ResultsError: a results file cannot be used.
        StorageError: the file system refused.
    """
    if format_name not in EXPORT_FORMATS:
        raise unknown_name("format", format_name, EXPORT_FORMATS, "invoke results export --format csv")
    written = []
    for table in TABLES:
        frame = read_table(table, root)
        integers = [column.name for column in TABLES[table] if column.type == "integer"]
        frame = frame.astype(dict.fromkeys(integers, "Int64"))  # so that 40 is not written as 40.0
        path = out / f"{table}.{format_name}"
        replace_file(path, [EXPORT_FORMATS[format_name](frame)])
        written.append(path)
    return written
