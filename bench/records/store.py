"""Where rows live: ``results/local/`` as they are measured, ``results/published/`` once they are published.

    results/<area>/<table>-<run_id>.parquet      one file per table and run

Append-only: a run adds files of its own and touches no other's. A file appears whole or not at all (temporary file,
fsync, rename), and is checked on the way in and on the way out. While a run is going on its own files are replaced
by longer versions of themselves; once it has ended they do not change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.records.checks import RUN_ID, first_faults, to_arrow
from bench.records.rows import LOCAL, PUBLISHED, KernelRow, Row, Rows, RunRow, SampleRow, StepRow, StoredRun, stored_run
from bench.records.schema import TABLES, arrow_schema, check_schema, migrate
from tinygpt.errors import ResultsError, unknown_name
from tinygpt.system.files import remove_unfinished, replace_file, require_regular

AREAS = (PUBLISHED, LOCAL)

R = TypeVar("R", bound=Row)

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
        replace_file(path, [_parquet(arrow)])


def remove_leftovers(root: Path, run_id: str) -> None:
    """Delete what a killed run left half-written; files under their own names are whole and stay."""
    remove_unfinished(root / LOCAL, f"*-{run_id}.*")


def _parquet(arrow: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    pq.write_table(arrow, sink, compression="zstd", compression_level=9)
    return memoryview(sink.getvalue())


# ---- reading -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RowFile:
    """A file of a results folder that can be used.

    Attributes:
        area: ``published`` or ``local``.
        path: its name says which table it holds, and no more.
        rows: of one run, under this version's schema; at least one.
    """

    area: str
    path: Path
    rows: pa.Table

    @property
    def run_id(self) -> str:
        """The run that its rows belong to."""
        return str(self.rows["run_id"][0])


def _read_file(table: str, path: Path) -> pa.Table:
    """One file under this version's schema; its values are not checked yet.

    Raises:
        ResultsError: it is not Parquet, is cut short, or has another schema; the message names the file.
    """
    try:
        require_regular(path)
        with pq.ParquetFile(path) as file:
            version = check_schema(table, file.schema_arrow, str(path))
            arrow = file.read(columns=arrow_schema(table, version).names)
        arrow.validate(full=True)  # texts that are not UTF-8 would fail where they are read, and name no file
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(
            f"{path} is not a readable Parquet file",
            "files that invoke bench, invoke train --record or invoke results publish wrote",
            f"move {path} out of the results folder",
        ) from error
    return migrate(table, arrow, version)


def load_files(table: str, files: Iterable[tuple[str, Path]], problems: list[ResultsError] | None) -> list[RowFile]:
    """Files of one table, checked value by value; those without rows are left out.

    Args:
        table: its name.
        files: (area, file).
        problems: takes an error for every file that cannot be used.

    Raises:
        ResultsError: a file cannot be used, and no ``problems`` were asked for.
    """
    found: list[ResultsError] = []
    loaded: list[RowFile] = []
    for area, path in files:
        try:
            loaded.append(RowFile(area, path, _read_file(table, path)))
        except ResultsError as error:
            found.append(error)
    loaded = [file for file in loaded if file.rows.num_rows]
    starts = [0, *accumulate(file.rows.num_rows for file in loaded[:-1])]
    whole = pa.concat_tables([arrow_schema(table).empty_table(), *(file.rows for file in loaded)])
    faults = first_faults(table, whole, starts)
    found += [fault.error(loaded[number].path) for number, fault in faults.items()]
    if found and problems is None:
        raise found[0]
    if problems is not None:
        known = {*map(str, problems)}
        problems += [problem for problem in found if str(problem) not in known]
    return [file for number, file in enumerate(loaded) if number not in faults]


def table_files(
    root: Path, table: str, problems: list[ResultsError] | None = None, areas: Sequence[str] = AREAS
) -> list[RowFile]:
    """The files of a table that count, oldest run first: one for each run, whatever the files are called.

    Of several with rows of one run (a copy, an older version that a synchronisation left behind, a local run that was
    published), a published one counts before a local one, then the one with most rows, then the one of the run's name.

    Raises:
        ResultsError: a file cannot be used, and no ``problems`` were asked for.
    """
    paths = ((area, path) for area in areas for path in sorted((root / area).glob(f"{table}-*.parquet")))
    best: dict[str, RowFile] = {}
    for file in sorted(load_files(table, paths, problems), key=_preference):
        best.setdefault(file.run_id, file)
    return [best[run_id] for run_id in sorted(best)]


def _preference(file: RowFile) -> tuple[bool, int, bool]:
    return file.area != PUBLISHED, -file.rows.num_rows, not file.path.stem.endswith(f"-{file.run_id}")


def read_run(root: Path, run_id: str) -> Rows:
    """One local run's rows, as they were written; none where a table has no file.

    Raises:
        ResultsError: a file cannot be used.
    """

    def read(table: str, row_type: type[R]) -> tuple[R, ...]:
        return tuple(row_type(**row) for row in _own_rows(root, table, run_id).to_pylist())

    return Rows(read("runs", RunRow), read("steps", StepRow), read("samples", SampleRow), read("kernels", KernelRow))


def _own_rows(root: Path, table: str, run_id: str) -> pa.Table:
    """The rows that count in a local run's own file of a table."""
    path = table_file(root, LOCAL, table, run_id)
    files = load_files(table, [(LOCAL, path)] if path.exists() else [], None)
    rows = files[0].rows if files else arrow_schema(table).empty_table()
    return rows if table == "runs" or not files else _of_processes(rows, _own_rows(root, "runs", run_id))


def _of_processes(rows: pa.Table, runs: pa.Table) -> pa.Table:
    """Rows of processes that have their row in ``runs``.

    ``runs`` is written last, so a runner that was killed between two files leaves steps of a process that has no row.
    That process is measured again, and the steps that it left do not count.
    """
    return rows.filter(pc.is_in(rows["cell_id"], value_set=runs["cell_id"].combine_chunks()))


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
    files = table_files(root, name, problems)
    origins = [file.area for file in files for _ in range(file.rows.num_rows)]
    rows = pa.concat_tables([arrow_schema(name).empty_table(), *(file.rows for file in files)])
    rows = rows.append_column("origin", pa.array(origins, pa.string()))
    if name != "runs":
        runs = [file.rows for file in table_files(root, "runs", problems)]
        rows = _of_processes(rows, pa.concat_tables([arrow_schema("runs").empty_table(), *runs]))
    frame: pd.DataFrame = rows.to_pandas()
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
