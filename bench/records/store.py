"""Where rows live: ``results/local/`` as they are measured, ``results/published/`` once they are published.

    results/<area>/<table>-<run_id>.parquet      one file per table and run

Append-only: a run adds files of its own and touches no other's. A file appears whole or not at all (temporary file,
fsync, rename), and is checked on the way in and on the way out. While a run is going on its own files are replaced
by longer versions of themselves; once it has ended they do not change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.records.rows import LOCAL, PUBLISHED, KernelRow, Row, Rows, RunRow, SampleRow, StepRow, StoredRun, stored_run
from bench.records.schema import TABLES, arrow_schema, check_schema, check_values, migrate, to_arrow
from tinygpt.errors import ResultsError, unknown_name
from tinygpt.system.files import remove_unfinished, replace_file

AREAS = (PUBLISHED, LOCAL)

R = TypeVar("R", bound=Row)

# ``runs`` last: a run that is there has everything that belongs to it.
_WRITTEN = (*(name for name in TABLES if name != "runs"), "runs")
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")


def table_file(root: Path, area: str, table: str, run_id: str) -> Path:
    """Path of one run's rows of one table.

    Raises:
        ResultsError: the run id is not one that a run would have.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise ResultsError(f"run id {run_id!r}", "letters, digits, dots and dashes", "invoke results show")
    return root / area / f"{table}-{run_id}.parquet"


def write_tables(root: Path, run_id: str, rows: Rows) -> None:
    """Write one run's rows to ``local``, each table atomically; ``runs`` last, so that no run lacks its steps.

    Raises:
        ResultsError: a row does not fit the schema, or the run on disk has rows that these lack.
        StorageError: the file system refused; what was there before is intact.
    """
    checked = {name: to_arrow(name, getattr(rows, name)) for name in _WRITTEN if getattr(rows, name)}
    for name, arrow in checked.items():
        path = table_file(root, LOCAL, name, run_id)
        if path.exists() and _read_rows(name, path).num_rows > arrow.num_rows:
            raise ResultsError(
                f"{path} holds more rows of {name} than would be written", "rows are added, never taken away"
            )
        replace_file(path, [_parquet(arrow)])


def remove_leftovers(root: Path, run_id: str) -> None:
    """Delete what a killed run left half-written; files under their own names are whole and stay."""
    remove_unfinished(root / LOCAL, f"*-{run_id}.*")


def _parquet(arrow: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink, compression="zstd", compression_level=9)
    return memoryview(sink.getvalue())


# ---- reading -------------------------------------------------------------------------------------------


def _read_file(table: str, path: Path) -> pa.Table:
    """One file, checked, under this version's schema.

    Raises:
        ResultsError: it is not Parquet, is cut short, or has another schema; the message names the file.
    """
    try:
        with pq.ParquetFile(path) as file:
            version = check_schema(table, file.schema_arrow, str(path))
            arrow = file.read(columns=arrow_schema(table, version).names)
        arrow.validate(full=True)  # texts that are not UTF-8 would fail where they are read, and name no file
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise ResultsError(
            f"{path} is not a readable Parquet file",
            "files that invoke bench, invoke train --record or invoke results publish wrote",
            f"move {path} out of the results folder",
        ) from error
    arrow = migrate(table, arrow, version)
    check_values(table, arrow, str(path))
    return arrow


def check_file(table: str, path: Path) -> None:
    """Check that a file holds rows of a table that this version can read.

    Raises:
        ResultsError: it does not; the message names the file.
    """
    _read_file(table, path)


def _read_rows(table: str, path: Path) -> pa.Table:
    """One file's rows that count: those whose process has its row in the file of ``runs`` beside it.

    ``runs`` is written last, so a runner that was killed between two files leaves steps of a process that has no row.
    That process is measured again, and the steps that it left do not count.

    Raises:
        ResultsError: a file cannot be used.
    """
    arrow = _read_file(table, path)
    if table == "runs":
        return arrow
    runs = path.with_name(f"runs-{path.name.partition('-')[2]}")
    known = _read_file("runs", runs)["cell_id"].combine_chunks() if runs.exists() else pa.array([], pa.string())
    return arrow.filter(pc.is_in(arrow["cell_id"], value_set=known))


def read_run(root: Path, run_id: str) -> Rows:
    """One local run's rows, as they were written; none where a table has no file.

    Raises:
        ResultsError: a file cannot be used.
    """

    def read(table: str, row_type: type[R]) -> tuple[R, ...]:
        path = table_file(root, LOCAL, table, run_id)
        return tuple(row_type(**row) for row in _read_rows(table, path).to_pylist()) if path.exists() else ()

    return Rows(read("runs", RunRow), read("steps", StepRow), read("samples", SampleRow), read("kernels", KernelRow))


def _table_files(root: Path, table: str) -> list[tuple[str, Path]]:
    """(area, file) of a table, oldest run first; a run that was published is not read from local again."""
    found: dict[str, tuple[str, Path]] = {}
    for area in reversed(AREAS):  # published last, so that it replaces local
        for path in sorted((root / area).glob(f"{table}-*.parquet")):
            found[path.name] = (area, path)
    return [found[name] for name in sorted(found)]


def read_table(name: str, root: Path, problems: list[ResultsError] | None = None) -> pd.DataFrame:
    """All rows of a table, published and local; rows of a process that has no row in ``runs`` are left out.

    Args:
        name: ``runs``, ``steps``, ``samples`` or ``kernels``.
        root: the results folder; one that does not exist holds no rows.
        problems: takes an error for every file that cannot be used, and reading goes on without it.

    Returns:
        the table's columns and ``origin`` (``published`` or ``local``), oldest run first. Null is NaN, so integer
        columns that may be null come as floats.

    Raises:
        ConfigError: there is no such table.
        ResultsError: a file cannot be used, and no ``problems`` were asked for. It is left as it is.
    """
    if name not in TABLES:
        raise unknown_name("table", name, TABLES, "invoke results show")
    parts: list[pa.Table] = [arrow_schema(name).empty_table()]
    origins: list[str] = []
    for area, path in _table_files(root, name):
        try:
            arrow = _read_rows(name, path)
        except ResultsError as error:
            if problems is None:
                raise
            if str(error) not in map(str, problems):  # a damaged file of runs also hides what lies beside it
                problems.append(error)
            continue
        parts.append(arrow)
        origins += [area] * arrow.num_rows
    frame: pd.DataFrame = pa.concat_tables(parts).to_pandas()
    frame["origin"] = pd.Series(origins, index=frame.index, dtype="str")
    return frame


def stored_runs(runs: pd.DataFrame) -> list[StoredRun]:
    """The rows of a frame of ``runs`` one by one, with None where a value is absent."""
    columns = [_plain(runs[column.name], column.type) for column in TABLES["runs"]]
    return [stored_run(values) for values in zip(*columns, runs["origin"].tolist(), strict=True)]


def _plain(values: pd.Series, kind: str) -> list[Any]:
    """A column's values; integers that may be null come as floats in frames."""
    if not values.hasnans:
        return (values.astype("int64") if kind == "integer" else values).tolist()
    known = [None if value is None or value != value else value for value in values.tolist()]
    return [value if value is None else int(value) for value in known] if kind == "integer" else known


# ---- publishing and exporting ---------------------------------------------------------------------------


def local_run_ids(root: Path) -> list[str]:
    """Runs in ``local`` that are not published yet, oldest first."""
    return [path.stem.removeprefix("runs-") for area, path in _table_files(root, "runs") if area == LOCAL]


def publish(root: Path, run_ids: Iterable[str] | None = None) -> list[Path]:
    """Copy local runs into ``published``, checked file by file; local files stay.

    Args:
        root: the results folder.
        run_ids: which runs; every local run when None.

    Returns:
        the files that were added.

    Raises:
        ResultsError: there is no such local run, or a file of it cannot be used. Nothing was added then.
        StorageError: the file system refused.
    """
    local = local_run_ids(root)
    wanted = local if run_ids is None else list(run_ids)
    for run_id in wanted:
        if run_id not in local:
            state = "is published already" if table_file(root, PUBLISHED, "runs", run_id).exists() else "is not there"
            raise ResultsError(f"run {run_id!r} {state}", ", ".join(local) or "no local run", "invoke results show")
    copies: list[tuple[Path, bytes]] = []
    for run_id in wanted:
        for table in _WRITTEN:
            source = table_file(root, LOCAL, table, run_id)
            if table == "runs" or source.exists():
                _read_file(table, source)
                copies.append((table_file(root, PUBLISHED, table, run_id), source.read_bytes()))
    for target, content in copies:
        if target.exists() and target.read_bytes() != content:
            raise ResultsError(
                f"{target} exists with other rows", "published files never change", "git status results/published"
            )
    for target, content in copies:
        replace_file(target, [content])
    return [target for target, _ in copies]


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
