from __future__ import annotations

import pytest

from bench.records.merge import merge_results
from bench.records.publishing import publish
from bench.records.rows import LOCAL, PUBLISHED, Rows
from bench.records.store import read_table, write_tables
from bench.statistics.cells import cell_summary
from bench.terminal.show import print_merged
from tests.bench.rows import MACHINE, run_row, step_rows
from tinygpt.errors import ResultsError

OTHER = MACHINE.replace("Some CPU", "Other CPU")


def results_of(folder, run_id, seconds, machine=MACHINE, published=False):
    run = run_row(run_id, machine=machine)
    write_tables(folder, run_id, Rows([run], step_rows(run, [seconds] * 15)))
    if published:
        publish(folder)
    return folder


def test_two_machines_side_by_side(tmp_path, console):
    root = results_of(tmp_path / "results", "run-a", 0.1)
    other = results_of(tmp_path / "other", "run-b", 0.2, OTHER, published=True)
    added = merge_results(root, [other])
    # Its local copy of the published run comes along and is not read twice.
    assert sorted(path.relative_to(root).as_posix() for path in added) == [
        "local/runs-run-b.parquet", "local/steps-run-b.parquet",
        "published/runs-run-b.parquet", "published/steps-run-b.parquet",
    ]  # fmt: skip
    summary = cell_summary(read_table("runs", root), read_table("steps", root))
    assert [(cell.run_id, cell.origin, cell.seconds.median) for cell in summary] == [
        ("run-a", LOCAL, 0.1), ("run-b", PUBLISHED, 0.2),
    ]  # fmt: skip
    assert len({cell.machine_hash for cell in summary}) == 2
    assert merge_results(root, [other, other / "published"]) == []
    print_merged(added, console)
    print_merged([], console)
    assert "added" in console.file.getvalue() and "Nothing to add" in console.file.getvalue()


def test_a_plain_folder_of_files_is_local(tmp_path):
    other = results_of(tmp_path / "other", "run-b", 0.2, OTHER)
    plain = (other / "local").rename(tmp_path / "download")
    merge_results(tmp_path / "results", [plain])
    assert read_table("runs", tmp_path / "results")["origin"].tolist() == [LOCAL]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda other: (other / "local" / "runs-zz.parquet").write_bytes(b"PAR1"), "runs-zz.parquet is not a readable"),
        (lambda other: (other / "local" / "notes.parquet").write_bytes(b""), "notes.parquet is no file of results"),
        (lambda other: results_of(other, "run-a", 0.3), "has other rows of its run"),
    ],
)
def test_nothing_is_added_when_something_is_wrong(tmp_path, spoil, words):
    root = results_of(tmp_path / "results", "run-a", 0.1)
    other = results_of(tmp_path / "other", "run-b", 0.2, OTHER)
    spoil(other)
    with pytest.raises(ResultsError, match=words):
        merge_results(root, [other])
    assert read_table("runs", root)["run_id"].tolist() == ["run-a"]
    with pytest.raises(ResultsError, match="holds no results"):
        merge_results(root, [tmp_path / "nowhere"])
