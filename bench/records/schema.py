"""The five tables: every column with its type, unit and meaning, stored in the Parquet files themselves.

A row is written once and never edited. ``results/README.md`` lists the same columns; a test compares the two.

Versions only add: a column that came later may be null, and files of an older version are read with nulls in it.
Version 2 added what an engine chose for itself, and the link between the parts of a resumed training run. Up to then,
``jax`` was the name of a peer, a textbook step in JAX; since version 3 it is this project's engine, and the peer is
``jax-textbook``. Older files are read under the new name. Version 3 also has what advice expected of a training run.
Version 4 added the spread of that, and the rounds that replace others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import MappingProxyType, NoneType
from typing import Literal, get_args, get_origin, get_type_hints

import pyarrow as pa

from bench.records.rows import About, KernelRow, ProbeRow, Row, RunRow, SampleRow, StepRow
from tinygpt.errors import ResultsError

SCHEMA_VERSION = 4
VERSION_KEY = b"tinygpt.schema_version"
TABLE_KEY = b"tinygpt.table"

ROW_TYPES: Mapping[str, type[Row]] = MappingProxyType(
    {"runs": RunRow, "steps": StepRow, "samples": SampleRow, "kernels": KernelRow, "probes": ProbeRow}
)

# Type of a field → as a column is documented, and as it is stored.
_TYPES = MappingProxyType(
    {
        str: ("text", pa.string()),
        int: ("integer", pa.int64()),
        float: ("number", pa.float64()),
        bool: ("yes/no", pa.bool_()),
        datetime: ("time", pa.timestamp("us", tz="UTC")),
    }
)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        type: ``text``, ``integer``, ``number`` (float64), ``yes/no`` or ``time`` (UTC, microseconds).
        choices: the words that it may hold; empty where it may hold any.
    """

    name: str
    type: str
    stored: pa.DataType
    optional: bool
    choices: tuple[str, ...]
    about: About

    @property
    def range(self) -> str:
        """The values that are allowed, in words; empty where any is."""
        ends = (("from", self.about.least), ("to", self.about.most))
        return " ".join(
            f"{word} {end.year if isinstance(end, datetime) else f'{end:g}'}" for word, end in ends if end is not None
        )


def _columns(row_type: type[Row]) -> tuple[Column, ...]:
    """The columns that the fields of a row's class declare."""
    columns = []
    for name, hint in get_type_hints(row_type, include_extras=True).items():
        value, about = get_args(hint)
        kinds = [value] if get_origin(value) is Literal else [*(get_args(value) or (value,))]
        plain = next(kind for kind in kinds if kind is not NoneType)
        choices = get_args(plain)
        columns.append(Column(name, *_TYPES[str if choices else plain], NoneType in kinds, choices, about))
    return tuple(columns)


TABLES = MappingProxyType({table: _columns(row_type) for table, row_type in ROW_TYPES.items()})

_RENAMED_IN_3 = MappingProxyType({"jax": "jax-textbook"})


@cache
def arrow_schema(table: str, version: int = SCHEMA_VERSION) -> pa.Schema:
    """A table's Arrow schema: units and descriptions on the fields, the schema's version on the whole."""
    arrow_fields = [
        pa.field(
            column.name,
            column.stored,
            nullable=column.optional,
            metadata={b"unit": column.about.unit.encode(), b"description": column.about.description.encode()},
        )
        for column in TABLES[table]
        if column.about.since <= version
    ]
    return pa.schema(arrow_fields, metadata={TABLE_KEY: table.encode(), VERSION_KEY: str(version).encode()})


def check_schema(table: str, schema: pa.Schema, where: str) -> int:
    """Compare a file's schema with the version that it says it has.

    Returns:
        that version, this one or an older one.

    Raises:
        ResultsError: the version is unknown, or a column or a type differs; ``where`` names the file.
    """
    run = f"move {where} out of the results folder, or read it with the version that wrote it"
    metadata = schema.metadata or {}
    text = metadata.get(VERSION_KEY, b"none").decode("ascii", "replace")
    known = [str(version) for version in range(1, SCHEMA_VERSION + 1)]
    if text not in known:
        raise ResultsError(f"{where} has schema version {text}", f"version {' or '.join(known)}", run)
    version = int(text)
    expected = arrow_schema(table, version)
    if metadata.get(TABLE_KEY) == table.encode() and schema.equals(expected):
        return version
    found_table = metadata.get(TABLE_KEY, b"none").decode("ascii", "replace")
    if found_table != table:
        raise ResultsError(f"{where} holds table {found_table!r}", f"table {table!r}", run)
    for field in expected:
        position = schema.get_field_index(field.name)
        if position < 0:
            raise ResultsError(f"{where} has no column {field.name!r}", ", ".join(expected.names), run)
        found = schema.field(position).type
        if found != field.type:
            raise ResultsError(f"{where} has column {field.name!r} as {found}", f"{field.type}", run)
    extra = [name for name in schema.names if name not in expected.names]
    if extra:
        raise ResultsError(f"{where} has an unknown column {extra[0]!r}", ", ".join(expected.names), run)
    return version


def migrate(table: str, arrow: pa.Table, version: int) -> pa.Table:
    """A checked file's rows under this version's schema: nulls in columns that came later, today's names of engines."""
    schema = arrow_schema(table)
    if arrow.schema.equals(schema, check_metadata=True):
        return arrow
    for column in ("engine", "variant"):
        if version < 3 and column in arrow.column_names:
            names = [_RENAMED_IN_3.get(name, name) for name in arrow[column].to_pylist()]
            arrow = arrow.set_column(arrow.column_names.index(column), column, pa.array(names, pa.string()))
    missing = [field for field in schema if field.name not in arrow.column_names]
    for field in missing:
        arrow = arrow.append_column(field, pa.nulls(arrow.num_rows, field.type))
    return arrow.select(schema.names).cast(schema)
