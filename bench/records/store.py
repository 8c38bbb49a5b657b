"""The folders of rows: ``results/local/`` as they are measured, ``results/published/`` once they are published, and
``results/contributed/`` for those of other people's machines.

    results/<area>/<table>-<run_id>.parquet      one file per table and run

Append-only: a run adds files of its own and touches no other's. A file appears whole or not at all (temporary file,
fsync, rename), and is checked on the way in and on the way out. While a run is going on its own files are replaced
by longer versions of themselves; once it has ended they do not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.records.checks import RUN_ID, to_arrow
from bench.records.row_files import TableRows, load_files, table_rows
from bench.records.rows import LOCAL, OWN_AREAS, Rows, StoredRun, stored_run
from bench.records.schema import ROW_TYPES, TABLES
from tinygpt.errors import ResultsError, unknown_name
from tinygpt.system.files import remove_unfinished, replace_file

# ``runs`` last: a run that is there has everything that belongs to it.
WRITTEN = (*(name for name in TABLES if name != "runs"), "runs")


def table_file(root: Path, area: str, table: str, run_id: str) -> Path:
    """Path of one run's rows of one table.

    Raises:
        ResultsError: the run id is not one that a run would have.
    """
    if not RUN_ID.fullmatch(run_id):
        raise ResultsError(f"run id {run_id!r}", "letters, digits, dots and dashes", "invoke results show")
    return root / area / f"{table}-{run_id}.parquet"


def write_tables(root: Path, run_id: str, rows: Rows) -> None:
    """Write one run's rows to ``local``, each table atomically; ``runs`` last, so that no run lacks its steps.

    Raises:
        ResultsError: a row does not fit the schema, or the run on disk has rows that these lack.
        StorageError: the file system refused; what was there before is intact.
    """
    checked = {name: to_arrow(name, getattr(rows, name)) for name in WRITTEN if getattr(rows, name)}
    for name, arrow in checked.items():
        path = table_file(root, LOCAL, name, run_id)
        if _own_rows(root, name, run_id).num_rows > arrow.num_rows:
            raise ResultsError(
                f"{path} holds more rows of {name} than would be written", "rows are added, never taken away"
            )
        replace_file(path, [parquet_bytes(arrow)])


def remove_leftovers(root: Path, run_id: str) -> None:
    """Delete what a killed run left half-written; files under their own names are whole and stay."""
    remove_unfinished(root / LOCAL, f"*-{run_id}.*")


def parquet_bytes(arrow: pa.Table) -> memoryview:
    """A table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink, compression="zstd", compression_level=9)
    return memoryview(sink.getvalue())


# ---- reading -------------------------------------------------------------------------------------------


def local_rows_of(root: Path, run_id: str) -> Rows:
    """One local run's rows, as they were written; none where a table has no file.

    Raises:
        ResultsError: a file cannot be used.
    """

    def read(table: str) -> Any:
        return tuple(ROW_TYPES[table](**row) for row in _own_rows(root, table, run_id).to_pylist())

    return Rows(**{table: read(table) for table in ROW_TYPES})


def _own_rows(root: Path, table: str, run_id: str) -> pa.Table:
    """The rows that count in a local run's own file of a table."""
    path = table_file(root, LOCAL, table, run_id)
    rows = load_files(table, [(LOCAL, path)] if path.exists() else []).rows
    return rows if table == "runs" or not len(rows) else _of_processes(rows, _own_rows(root, "runs", run_id))


def _of_processes(rows: pa.Table, runs: pa.Table) -> pa.Table:
    """Rows of processes that have their row in ``runs``.

    ``runs`` is written last, so a runner that was killed between two files leaves steps of a process that has no row.
    That process is measured again, and the steps that it left do not count.
    """
    cells = rows["cell_id"].combine_chunks().dictionary_encode()
    known = pc.is_in(cells.dictionary, value_set=runs["cell_id"].combine_chunks())
    return rows if pc.all(known).as_py() else rows.filter(known.take(cells.indices))


def read_table(name: str, root: Path, problems: list[ResultsError] | None = None) -> pd.DataFrame:
    """One table of :func:`read_tables`."""
    return read_tables(root, (name,), problems)[0]


def read_tables(
    root: Path,
    names: Iterable[str] = tuple(TABLES),
    problems: list[ResultsError] | None = None,
    areas: Sequence[str] = OWN_AREAS,
) -> list[pd.DataFrame]:
    """All rows of some tables, published and local; rows of a process that has no row in ``runs`` are left out.

    Args:
        root: the results folder; one that does not exist holds no rows.
        names: of the tables: ``runs``, ``steps``, ``samples``, ``kernels`` or ``probes``.
        problems: takes an error for every file that cannot be used, and reading goes on without it.
        areas: contributed rows are among them only where a caller names that area.

    Returns:
        each table's columns and ``origin`` (``published``, ``local`` or ``contributed``), oldest run first. Null is
        NaN, so integer columns that may be null come as floats.

    Raises:
        ConfigError: there is no such table.
        ResultsError: a file cannot be used, and no ``problems`` were asked for. It is left as it is.
    """
    runs = table_rows(root, "runs", problems, areas)
    frames: list[pd.DataFrame] = []
    for name in names:
        if name not in TABLES:
            raise unknown_name("table", name, TABLES, "invoke results show")
        found = runs if name == "runs" else table_rows(root, name, problems, areas)
        if name == "steps":
            _report_lost(runs, found, problems)
        rows = found.rows.append_column("origin", found.of_rows([file.area for file in found.files]).cast(pa.string()))
        if name != "runs":
            rows = rows.set_column(0, "run_id", found.of_rows([file.run_id for file in found.files]))
            rows = rows.set_column(1, "cell_id", rows["cell_id"].combine_chunks().dictionary_encode())
            rows = _of_processes(rows, runs.rows)
        frames.append(rows.to_pandas())
    return frames


def _report_lost(runs: TableRows, steps: TableRows, problems: list[ResultsError] | None) -> None:
    """Report runs whose steps are lost: their times would vanish from every comparison without a word.

    Raises:
        ResultsError: there is one, and no ``problems`` were asked for.
    """
    took_steps = pc.and_(pc.equal(runs.rows["status"], "ok"), pc.greater(runs.rows["steps_done"], 0))
    taken = set(pc.unique(runs.of_rows([file.run_id for file in runs.files]).filter(took_steps)).to_pylist())
    for run_id in sorted(taken - {file.run_id for file in steps.files}):
        path = next(file.path for file in runs.files if file.run_id == run_id)
        lost = path.with_name(f"steps-{run_id}.parquet")
        if lost.exists():  # it cannot be used, which is an error of its own
            continue
        error = ResultsError(f"{lost} is missing, but {path.name} has steps", "both files, or neither", "git status")
        if problems is None:
            raise error
        problems.append(error)


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
