"""The border of the record: copies of files do not count, and values that no run writes are refused by name."""

from __future__ import annotations

import math
import shutil
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.records.merge import merge_results
from bench.records.publishing import candidates, publish
from bench.records.rows import LOCAL, Rows
from bench.records.schema import TABLES, arrow_schema
from bench.records.store import read_table, table_file, write_tables
from bench.terminal.show import print_results
from tests.bench.rows import kernels_run, probe_rows, run_row, sample_row, step_rows
from tinygpt.errors import ResultsError


def write_all(root, run_id="run-a"):
    """A run with rows in every table."""
    run = run_row(run_id, number=7)
    own = Rows([run], step_rows(run, [0.1] * 15), [sample_row(run)], probes=probe_rows(run, [0.003] * 7))
    write_tables(root, run_id, kernels_run(run_id) + own)
    return root


def test_copies_of_files_count_once(results_root, tmp_path, console):
    write_all(results_root)
    before = {name: read_table(name, results_root) for name in TABLES}
    for path in [*(results_root / LOCAL).iterdir()]:
        for name in ("{} (1)", "{}-run-b", "{}.sync-conflict-20261130"):
            shutil.copy(path, path.with_name(f"{name.format(path.stem)}.parquet"))
    assert len([*(results_root / LOCAL).iterdir()]) == 4 * len(TABLES)
    for name, frame in before.items():
        assert read_table(name, results_root).equals(frame), name
    assert [run.run_id for run in candidates(results_root)] == ["run-a"]
    print_results(results_root, console)
    added = merge_results(tmp_path / "other", [results_root])
    assert {path.name for path in added} == {path.name for path in publish(results_root)}
    assert all(read_table(name, tmp_path / "other").equals(frame) for name, frame in before.items())
    assert all(len(read_table(name, results_root)) == len(frame) for name, frame in before.items())


def test_an_older_version_of_a_file_does_not_hide_the_newer(results_root):
    run = run_row()
    for done in (5, 15):
        write_tables(results_root, "run-a", Rows([run], step_rows(run, [0.1] * done)))
        path = table_file(results_root, LOCAL, "steps", "run-a")
        shutil.copy(path, path.with_name(f"steps-a copy of {done}.parquet"))
    path.unlink()
    assert len(read_table("steps", results_root)) == 18
    with pytest.raises(ResultsError, match="has other rows of its run"):
        merge_results(results_root.parent / "other", [results_root])


def spoil(path, table: str, column: str, value: Any, row: int = 1) -> None:
    """Write a value that the type allows into a file, past all checks."""
    schema = arrow_schema(table)
    rows = pq.read_table(path).to_pylist()
    rows[row][column] = value
    fields = [field.with_nullable(True) for field in schema]
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(fields)).cast(pa.schema(fields, schema.metadata)), path)


BAD = [
    *(("steps", "seconds", value) for value in (0.0, -1.0, math.nan, math.inf, -math.inf, 1e300)),
    *(("runs", "machine", text) for text in ("[]", "null", "", "{}", '{"cpu": "a', '{"cpu": NaN}', "[" * 100_000)),
    *(("runs", "protocol", text) for text in ("null", "3", '{"preset":"tiny"}', '{"preset":')),
    *(("runs", "wall_seconds", value) for value in (-1.0, math.nan, math.inf)),
    ("runs", "machine_hash", "0" * 64),
    ("runs", "tokens_per_step", 0),
    ("runs", "n_parameters", -5),
    ("runs", "round", -1),
    ("runs", "status", "fine"),
    ("runs", "cell_id", "run-b/numpy/tiny/7"),
    ("runs", "run_id", "run-b"),
    ("steps", "cell_id", "run-b/numpy/tiny/7"),
    ("steps", "step", 0),
    ("steps", "elapsed_seconds", math.nan),
    ("samples", "tokens_per_second", math.inf),
    ("samples", "temperature", math.nan),
    ("probes", "product_seconds", 0.0),
    ("probes", "page_faults", -1),
    ("kernels", "seconds", -0.1),
    ("kernels", "form", "fortran"),
    ("kernels", "worker", -1),
]


# What is shown comes from the tables as they are read, so one value of each is enough; samples are not shown.
SHOWN = {table: (column, value) for table, column, value in reversed(BAD) if table != "samples"}


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    return write_all(write_all(tmp_path_factory.mktemp("two") / "results"), "run-z")


@pytest.mark.parametrize(("table", "column", "value"), BAD)
def test_a_value_that_no_run_writes_is_refused_by_name(results_root, two_runs, tmp_path, console, table, column, value):
    shutil.copytree(two_runs, results_root)
    path = table_file(results_root, LOCAL, table, "run-z")
    row = 0 if table == "samples" else 1
    spoil(path, table, column, value, row)
    where = rf"{path}, row {row + 1}, column '{column}': "
    with pytest.raises(ResultsError, match=where) as caught:
        read_table(table, results_root)
    assert len(str(caught.value)) < 1000
    problems: list[ResultsError] = []
    assert set(read_table(table, results_root, problems)["run_id"]) == {"run-a"}
    assert len(problems) == 1
    with pytest.raises(ResultsError, match=where):
        merge_results(tmp_path / "other", [results_root])
    assert not (tmp_path / "other").exists()
    with pytest.raises(ResultsError, match=where):
        publish(results_root)
    if SHOWN.get(table) == (column, value):
        with pytest.raises(ResultsError, match=where):  # after the good rows
            print_results(results_root, console, every_run=True)
        assert "numpy" in console.file.getvalue()


def test_what_a_run_writes_is_checked_as_what_is_read(results_root):
    run = run_row()
    with pytest.raises(
        ResultsError, match=r"rows of steps, row 4, column 'seconds': 0.0; allowed: a number from 1e-12"
    ):
        write_tables(results_root, "run-a", Rows([run], step_rows(run, [0.0] * 15)))
