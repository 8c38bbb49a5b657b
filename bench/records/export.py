"""All rows, published and local, as files for other programs: one per table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from bench.records.schema import TABLES
from bench.records.store import read_tables
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.system.files import replace_file

# Columns of exported runs that come from the protocol's JSON; the optimizer's text names the recipe as well.
PROTOCOL_COLUMNS = ("learning_rate", "optimizer", "batch_size", "context_length", "dtype")

# A spreadsheet takes a text that begins with one of these for a formula; the last four are wide forms of the first.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as CSV. A text that a spreadsheet would take for a formula begins with an apostrophe; numbers stay."""

    def column(values: pd.Series) -> pd.Series:
        texts = values.unique() if values.dtype.kind == "O" else ()  # few of many rows
        formulas = {text: f"'{text}" for text in texts if isinstance(text, str) and text.startswith(_FORMULA)}
        return values.map(lambda value: formulas.get(value, value)) if formulas else values

    safe = pd.DataFrame({name: column(values) for name, values in frame.items()})
    text: str = safe.to_csv(index=False, lineterminator="\n")
    if "\r" in text:  # it would end a line if its cell were not quoted, and the next begin with anything
        text = safe.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return text.encode()


EXPORT_FORMATS: Mapping[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": csv_bytes,
    # Times as ISO 8601, numbers with all their digits: read back, they are the same numbers.
    "json": lambda frame: frame.to_json(
        orient="records", date_format="iso", date_unit="us", double_precision=15, indent=1
    ).encode(),
    "parquet": lambda frame: frame.to_parquet(index=False),
}


def export(root: Path, out: Path, format_name: str = "csv", replace: bool = False) -> list[Path]:
    """Write all rows, published and local, as one file per table; ``runs`` has ``PROTOCOL_COLUMNS`` as well.

    Args:
        out: folder to write into; made if missing.
        format_name: ``csv``, ``json`` or ``parquet``.
        replace: overwrite files of the same names.

    Returns:
        the files written.

    Raises:
        ConfigError: there is no such format, or a file of the same name is there. Nothing was written then.
        ResultsError: a results file cannot be used.
        StorageError: the file system refused.
    """
    if format_name not in EXPORT_FORMATS:
        raise unknown_name("format", format_name, EXPORT_FORMATS, "invoke results export --format csv")
    paths = [out / f"{table}.{format_name}" for table in TABLES]
    for path in paths:
        if not replace and (path.exists() or path.is_symlink()):
            raise ConfigError(
                f"{path} is there already",
                "another folder, or --replace",
                f"invoke results export --out {out} --replace",
            )
    for table, path, frame in zip(TABLES, paths, read_tables(root), strict=True):
        integers = [column.name for column in TABLES[table] if column.type == "integer"]
        frame = frame.astype(dict.fromkeys(integers, "Int64"))  # so that 40 is not written as 40.0
        if table == "runs":
            protocols = {text: json.loads(text) for text in frame["protocol"].unique()}
            for name in PROTOCOL_COLUMNS:
                frame[name] = frame["protocol"].map({text: fields[name] for text, fields in protocols.items()})
        replace_file(path, [EXPORT_FORMATS[format_name](frame)])
    return paths
