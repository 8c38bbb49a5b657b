"""Values that a column's type allows and no run writes: they are refused where rows are written, read or merged.

Columns are checked and not rows, so that the files of ten thousand runs, put together as one table, take a moment.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.records.machine import Machine
from bench.records.protocol import Protocol, sha256_text
from bench.records.rows import SHORTEST, Row
from bench.records.schema import TABLES, arrow_schema
from tinygpt.errors import ResultsError
from tinygpt.terminal.visible import one_line

# Texts of runs that are records, and what they must hold.
_RECORDS = MappingProxyType({"protocol": Protocol, "machine": Machine})
# What tells one row of a file from another.
_KEYS = MappingProxyType(
    {
        "runs": ("cell_id",),
        "steps": ("cell_id", "step"),
        "kernels": ("cell_id", "measure", "name", "worker", "form", "place", "repeat"),
        "probes": ("cell_id", "number"),
    }
)

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")
_NO_ROWS = np.zeros(0, np.int64)
_LARGEST = 2**63  # a whole number of a record; none of ours needs as much

Found = Iterator[tuple[str, np.ndarray, str]]  # column, numbers of its bad rows, what is allowed there


@dataclass(frozen=True)
class Fault:
    """A value that is refused.

    Attributes:
        row: counted from 1.
        received: the value, at most a line.
        allowed: what there could be.
    """

    row: int
    column: str
    received: str
    allowed: str

    def error(self, where: object) -> ResultsError:
        """The error about a file, or about rows to be written."""
        problem = f"{where}, row {self.row}, column {self.column!r}: {self.received}"
        return ResultsError(problem, self.allowed, "the same command after moving the file out of the results folder")


def first_faults(table: str, arrow: pa.Table, starts: Sequence[int] = (0,)) -> dict[int, Fault]:
    """The first fault of each file that has one, by the file's number.

    Args:
        arrow: rows of one or several files one after the other, in this version's schema.
        starts: number of each file's first row, from 0; no file is empty.
    """
    found: dict[int, Fault] = {}
    if not arrow.num_rows:
        return found
    for name, rows, allowed in _bad_rows(table, arrow, np.asarray(starts)):
        if not len(rows):
            continue
        files, first = np.unique(np.searchsorted(starts, rows, "right") - 1, return_index=True)
        for file, row in zip(files.tolist(), rows[first].tolist(), strict=True):
            received = one_line(repr(arrow[name][row].as_py()), 80)
            found.setdefault(file, Fault(row - starts[file] + 1, name, received, allowed))
    return found


def to_arrow(table: str, rows: Sequence[Row]) -> pa.Table:
    """Rows to an Arrow table, checked.

    Raises:
        ResultsError: a value has another type, or is refused.
    """
    schema = arrow_schema(table)
    try:
        columns = [pa.array(map(attrgetter(field.name), rows), field.type, size=len(rows)) for field in schema]
        arrow = pa.Table.from_arrays(columns, schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ResultsError(f"a row of {table} does not fit the schema: {error}") from error
    for fault in first_faults(table, arrow).values():
        raise fault.error(f"rows of {table}")
    return arrow


def _bad_rows(table: str, arrow: pa.Table, starts: np.ndarray) -> Found:
    for column in TABLES[table]:
        values, about = arrow[column.name], column.about
        if not column.optional and values.null_count:
            yield column.name, _true(pc.is_null(values)), "a value"
        if column.choices:
            unknown = pc.invert(pc.is_in(values, value_set=pa.array([*column.choices, None])))
            yield column.name, _true(unknown), ", ".join(column.choices)
        if column.range and values.null_count < len(values):
            bad = pc.is_nan(values) if column.type == "number" else pa.scalar(False)
            if about.least is not None:
                bad = pc.or_(bad, pc.less(values, pa.scalar(about.least, column.stored)))
            if about.most is not None:
                bad = pc.or_(bad, pc.greater(values, pa.scalar(about.most, column.stored)))
            yield column.name, _true(bad), f"a {'time' if column.type == 'time' else 'number'} {column.range}"
    of_file = np.repeat(np.arange(len(starts)), np.diff([*starts, arrow.num_rows]))
    first = arrow["run_id"].take(pa.array(starts[of_file]))
    yield "run_id", _true(pc.not_equal(arrow["run_id"], first)), "rows of one run in a file"
    cells = arrow["cell_id"].combine_chunks().dictionary_encode()
    runs = pa.array([_run_of(cell) for cell in cells.dictionary.to_pylist()], pa.string()).take(cells.indices)
    yield "cell_id", _true(pc.not_equal(arrow["run_id"], runs)), "the row's run_id and, after a slash, the process"
    if table == "runs":
        yield from _bad_runs(arrow)
    if table == "kernels":
        yield from _bad_timings(arrow)
    yield from _repeated(table, arrow, of_file)


def _true(mask: Any) -> np.ndarray:
    """Numbers of the rows for which a condition holds; it does not for null."""
    if not pc.any(mask).as_py():  # as nearly always
        return _NO_ROWS
    return np.flatnonzero(np.asarray(pc.fill_null(mask, False)))


def _run_of(cell_id: str) -> str:
    """The run that a process belongs to by its name; empty where no run has such a name."""
    run_id, slash, process = cell_id.partition("/")
    return run_id if slash and process and RUN_ID.fullmatch(run_id) else ""


def _bad_runs(arrow: pa.Table) -> Found:
    for name, record_type in _RECORDS.items():
        texts = arrow[name].combine_chunks().dictionary_encode()
        distinct = texts.dictionary.to_pylist()
        bad = pa.array([not _is_record(text, record_type) for text in distinct], pa.bool_())
        names = ", ".join(_required(record_type))
        yield name, _true(bad.take(texts.indices)), f"a JSON object with {names}"
        hashes = pa.array([sha256_text(text) for text in distinct], pa.string()).take(texts.indices)
        yield f"{name}_hash", _true(pc.not_equal(arrow[f"{name}_hash"], hashes)), f"the SHA-256 of the {name}"


def _bad_timings(arrow: pa.Table) -> Found:
    """Parts may take no time; steps and forms do, and a form says which and where it is."""
    measure = arrow["measure"]
    for kind, needed in (("part", ("worker",)), ("form", ("form", "place", "elements"))):
        for name in needed:
            yield name, _true(pc.and_(pc.equal(measure, kind), pc.is_null(arrow[name]))), f"a value for a {kind}"
    instant = pc.and_(pc.not_equal(measure, "part"), pc.less(arrow["seconds"], SHORTEST))
    yield "seconds", _true(instant), f"a number from {SHORTEST:g} for a step or a form"


def _repeated(table: str, arrow: pa.Table, of_file: np.ndarray) -> Found:
    names = _KEYS.get(table)
    if names is None:
        return
    keys = pa.table({"file": of_file, "row": np.arange(len(of_file))} | {name: arrow[name] for name in names})
    groups = keys.group_by(["file", *names], use_threads=False).aggregate([("row", "min")])
    if len(groups) < len(keys):
        again = np.setdiff1d(keys["row"].to_numpy(), groups["row_min"].to_numpy())
        yield names[-1], again, f"one row for each {' and '.join(names)}"


# ---- records ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _is_record(text: str | None, record_type: type) -> bool:
    """True for a JSON object that has a class's fields; it may have more of them."""
    try:
        record = json.loads(text or "", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and all(
        name in record and _fits(record[name], hint) for name, hint in _required(record_type).items()
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and infinities are not JSON


@lru_cache
def _required(record_type: type) -> Mapping[str, Any]:
    """Names and types of the fields without a default."""
    hints = get_type_hints(record_type)
    return {field.name: hints[field.name] for field in fields(record_type) if field.default is MISSING}


def _fits(value: Any, hint: Any) -> bool:
    """True for a value, as JSON has it, of a type of our records'."""
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        return isinstance(value, list) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    kinds = get_args(hint) or (hint,)
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return False
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return False
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))
