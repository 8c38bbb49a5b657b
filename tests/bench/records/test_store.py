from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.records.publishing import candidates, publish
from bench.records.rows import LOCAL, PUBLISHED, Rows, StoredRun, extended
from bench.records.schema import SCHEMA_VERSION, TABLES, VERSION_KEY, arrow_schema
from bench.records.store import local_rows_of, read_table, read_tables, stored_runs, table_file, write_tables
from tests import ROOT
from tests.bench.rows import run_row, sample_row, step_rows
from tinygpt.errors import ConfigError, ResultsError, StorageError


def write_run(root, run_id="run-a", **changes):
    run = run_row(run_id, **changes)
    write_tables(root, run_id, Rows([run], step_rows(run, [0.1] * 15), [sample_row(run)]))
    return run


def test_round_trip(results_root):
    run = write_run(results_root)
    runs = read_table("runs", results_root)
    assert runs.columns.tolist() == [*(column.name for column in TABLES["runs"]), "origin"]
    record = runs.iloc[0]
    for name, value in asdict(run).items():
        assert (record[name] == value) if value is not None else pd.isna(record[name]), name
    assert record["origin"] == LOCAL
    assert len(read_table("steps", results_root)) == 18
    assert read_table("samples", results_root)["text"].tolist() == ["once"]


def test_rows_of_a_frame_are_those_that_were_written(results_root):
    failed = run_row(number=1, status="crashed", exit_code=None, signal="SIGSEGV", error_tail="x", threads=None)
    runs = [run_row(), failed]
    write_tables(results_root, "run-a", Rows(runs))
    read = stored_runs(read_table("runs", results_root))
    assert [extended(run, StoredRun) for run in read] == read
    assert [{**asdict(run), "origin": LOCAL} for run in runs] == [asdict(run) for run in read]
    assert all(type(run.exit_code) in (int, type(None)) for run in read)


def test_no_results_are_empty_tables(results_root):
    for name in TABLES:
        frame = read_table(name, results_root)
        assert frame.empty
        assert "origin" in frame
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        read_table("step", results_root)


def test_files_carry_units_and_version(results_root):
    write_run(results_root)
    schema = pq.read_schema(table_file(results_root, LOCAL, "steps", "run-a"))
    assert schema.metadata[VERSION_KEY] == str(SCHEMA_VERSION).encode()
    assert schema.field("seconds").metadata[b"unit"] == b"s"
    assert not schema.field("seconds").nullable


@pytest.mark.parametrize(("version", "name"), [(2, "jax-textbook"), (SCHEMA_VERSION, "jax")])
def test_a_peers_old_name_is_read_as_its_new_one(results_root, version, name):
    run = run_row(variant="jax", engine="jax", kind="peer")
    path = table_file(results_root, PUBLISHED, "runs", "run-a")
    path.parent.mkdir(parents=True)
    schema = arrow_schema("runs", version)
    pq.write_table(pa.Table.from_pylist([{name: getattr(run, name) for name in schema.names}], schema=schema), path)
    before = path.read_bytes()
    row = read_table("runs", results_root).iloc[0]
    assert (row["variant"], row["engine"]) == (name, name)
    assert path.read_bytes() == before


def test_rows_are_added_never_taken_away(results_root):
    run = run_row()
    steps = step_rows(run, [0.1] * 15)
    write_tables(results_root, "run-a", Rows([run], steps[:10]))
    write_tables(results_root, "run-a", Rows([run], steps))
    assert len(read_table("steps", results_root)) == 18
    with pytest.raises(ResultsError, match="never taken away"):
        write_tables(results_root, "run-a", Rows([run], steps[:10]))
    assert len(read_table("steps", results_root)) == 18


def test_what_a_killed_runner_left_of_a_process_without_a_row_does_not_count(results_root):
    run, lost = run_row(), run_row(cell_id="run-a/numpy/tiny/1", round=1)
    steps = step_rows(run, [0.1] * 15)
    write_tables(results_root, "run-a", Rows([run], steps))
    both = steps + step_rows(lost, [0.2] * 15)
    write_tables(results_root, "run-a", Rows(steps=both))  # killed here, before the row in runs
    assert read_table("steps", results_root)["cell_id"].unique().tolist() == [run.cell_id]
    assert len(local_rows_of(results_root, "run-a").steps) == 18
    write_tables(results_root, "run-a", Rows([run], steps))  # nothing of anybody's is taken away
    again = Rows([run, lost], both)
    write_tables(results_root, "run-a", again)
    assert len(read_table("steps", results_root)) == 36


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "fine"}, "column 'status': 'fine'"),
        ({"seed": None}, "column 'seed'"),
        ({"round": "first"}, "does not fit"),
    ],
)
def test_a_row_that_does_not_fit_is_refused(results_root, change, words):
    with pytest.raises(ResultsError, match=words):
        write_tables(results_root, "run-a", Rows([run_row(**change)]))
    assert not results_root.exists()


def test_a_run_is_read_as_it_was_written(results_root):
    run = run_row()
    rows = Rows([run], step_rows(run, [0.1] * 15), [sample_row(run)])
    write_tables(results_root, "run-a", rows)
    assert local_rows_of(results_root, "run-a") == rows + Rows()
    assert local_rows_of(results_root, "run-b") == Rows()


def good_bytes(root) -> bytes:
    return table_file(root, LOCAL, "runs", "run-a").read_bytes()


def other_schema(root) -> bytes:
    path = root / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    return path.read_bytes()


def newer_version(root) -> bytes:
    schema = arrow_schema("runs")
    path = root / "newer.parquet"
    metadata = schema.metadata | {VERSION_KEY: b"99"}
    pq.write_table(schema.empty_table().replace_schema_metadata(metadata), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda root: b"", "not a readable Parquet"),
        (lambda root: b"run_id,loss\n1,2\n", "not a readable Parquet"),
        (lambda root: good_bytes(root)[:-200], "not a readable Parquet"),
        (other_schema, "schema version none"),
        (newer_version, "schema version 99"),
    ],
)
def test_a_foreign_file_is_named_and_left_alone(results_root, content, words):
    write_run(results_root)
    bad = table_file(results_root, PUBLISHED, "runs", "zz")
    bad.parent.mkdir()
    bad.write_bytes(content(results_root))
    before = bad.read_bytes()
    with pytest.raises(ResultsError, match=words) as caught:
        read_table("runs", results_root)
    assert str(bad) in str(caught.value)
    problems: list[ResultsError] = []
    assert read_table("runs", results_root, problems)["run_id"].tolist() == ["run-a"]
    assert len(problems) == 1
    assert bad.read_bytes() == before


def test_a_file_of_version_1_is_read_with_nulls(results_root):
    write_run(results_root)
    write_run(results_root, "run-b")
    path = table_file(results_root, LOCAL, "runs", "run-b")
    old = arrow_schema("runs", 1)
    assert len(old) < len(arrow_schema("runs"))
    pq.write_table(pq.read_table(path).select(old.names).cast(old), path)
    runs = read_table("runs", results_root).set_index("run_id")
    assert runs.loc["run-a", ["resolved_variant", "threads"]].tolist() == ["numpy", 2]
    assert runs.loc["run-b", ["resolved_variant", "threads", "continues"]].isna().all()
    published = publish(results_root, ["run-b"])
    assert pq.read_schema(published[-1]).metadata[VERSION_KEY] == b"1"  # copied, not rewritten


def test_the_committed_results_are_readable():
    """Every file under results/published, whichever version wrote it."""
    runs = read_table("runs", ROOT / "results")
    assert (runs["origin"] == PUBLISHED).sum() >= 100
    assert set(runs["cell_id"]) >= set(read_table("steps", ROOT / "results")["cell_id"])


def test_steps_in_place_of_runs_are_noticed(results_root):
    write_run(results_root)
    steps = table_file(results_root, LOCAL, "steps", "run-a").read_bytes()
    table_file(results_root, LOCAL, "runs", "run-b").write_bytes(steps)
    with pytest.raises(ResultsError, match="holds table 'steps'"):
        read_table("runs", results_root)


def test_a_cut_short_write_leaves_the_old_file(results_root, monkeypatch):
    write_run(results_root)
    before = good_bytes(results_root)

    def disk_full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", disk_full)
    with pytest.raises(StorageError, match="No space left"):
        write_run(results_root)
    assert good_bytes(results_root) == before
    assert not list(results_root.rglob("*.tmp"))


def test_a_results_folder_that_is_a_file(tmp_path):
    (tmp_path / "results").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        write_run(tmp_path / "results")


def test_publish_copies_and_keeps_local(results_root):
    write_run(results_root)
    write_run(results_root, "run-b")
    assert [run.run_id for run in candidates(results_root)] == ["run-a", "run-b"]
    added = publish(results_root, ["run-a"])
    assert sorted(path.name for path in added) == ["runs-run-a.parquet", "samples-run-a.parquet", "steps-run-a.parquet"]
    assert table_file(results_root, LOCAL, "runs", "run-a").exists()
    runs = read_table("runs", results_root)
    assert runs[["run_id", "origin"]].to_numpy().tolist() == [["run-a", PUBLISHED], ["run-b", LOCAL]]
    assert len(read_table("steps", results_root)) == 36  # a published run is not read twice
    publish(results_root)
    assert [run.run_id for run in candidates(results_root)] == []
    assert publish(results_root) == []


def test_publish_refuses_what_is_not_there_or_damaged(results_root):
    write_run(results_root)
    with pytest.raises(ResultsError, match="'run-x' is not there; allowed: run-a"):
        publish(results_root, ["run-a", "run-x"])
    table_file(results_root, LOCAL, "steps", "run-a").write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match="steps-run-a"):
        publish(results_root)
    assert not (results_root / PUBLISHED).exists()
    with pytest.raises(ResultsError, match="run id"):
        table_file(results_root, LOCAL, "runs", "../../etc")


def test_lost_steps_are_named_and_do_not_take_their_run_out_of_sight(results_root):
    write_run(results_root)
    write_run(results_root, "run-b")
    table_file(results_root, LOCAL, "steps", "run-b").unlink()
    with pytest.raises(ResultsError, match=r"steps-run-b.parquet is missing, but runs-run-b.parquet has steps"):
        read_tables(results_root)
    problems: list[ResultsError] = []
    (steps,) = read_tables(results_root, ("steps",), problems)
    assert len(steps) == 18 and len(problems) == 1


def test_published_files_never_change(results_root):
    write_run(results_root)
    other = table_file(results_root, PUBLISHED, "steps", "run-a")
    other.parent.mkdir()
    other.write_bytes(b"somebody's")
    with pytest.raises(ResultsError, match="never change"):
        publish(results_root)
    assert other.read_bytes() == b"somebody's"
    assert [path.name for path in (results_root / PUBLISHED).iterdir()] == [other.name]
