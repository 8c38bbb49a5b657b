from __future__ import annotations

import pytest

from bench.records.publishing import publish_runs
from bench.records.rows import PUBLISHED, Rows
from bench.records.store import read_table, write_tables
from bench.terminal.show import print_publication
from tests.bench.rows import MACHINE, run_row, step_rows
from tinygpt.errors import ResultsError


def write_run(root, run_id, *changes):
    runs = [run_row(run_id, number=number, **change) for number, change in enumerate(changes or ({},))]
    steps = [row for run in runs for row in step_rows(run, [0.1] * 15)]
    write_tables(root, run_id, Rows(runs, steps))


def published(root):
    runs = read_table("runs", root)
    return sorted(runs.loc[runs["origin"] == PUBLISHED, "run_id"])


def test_clean_runs_are_published_and_the_others_named(results_root, console):
    write_run(results_root, "clean")
    write_run(results_root, "dirty", {"dirty": True})
    looked = publish_runs(results_root, look_only=True)
    assert (looked.files, published(results_root)) == ((), [])
    done = publish_runs(results_root)
    assert published(results_root) == ["clean"]
    assert [path.name for path in done.files] == ["steps-clean.parquet", "runs-clean.parquet"]
    print_publication(done, console)
    text = console.file.getvalue()
    assert "publish clean  bench, quick, tiny, 1 ok, ccccccc" in text
    assert "leave out dirty  bench, quick, tiny, 1 ok, ccccccc: the code had uncommitted changes" in text
    assert "added" in text and "Commit them" in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([{"dirty": True}], "uncommitted changes"),
        ([{"commit": None, "dirty": None}], "outside a checkout"),
        ([{}, {"machine": MACHINE.replace("Some CPU", "Other CPU")}], "machine changed"),
        ([{}, {"commit": "d" * 40}], "several commits"),
    ],
)
def test_what_cannot_be_trusted_is_published_only_when_forced(results_root, changes, reason):
    write_run(results_root, "odd", *changes)
    for run_ids in ([], ["odd"]):
        with pytest.raises(ResultsError, match=reason):
            publish_runs(results_root, run_ids)
    assert published(results_root) == []
    publish_runs(results_root, force=True)
    assert set(published(results_root)) == {"odd"}


def test_nothing_to_publish_and_runs_that_are_not_there(results_root, console):
    print_publication(publish_runs(results_root), console)
    assert "no local run" in console.file.getvalue()
    write_run(results_root, "clean")
    with pytest.raises(ResultsError, match="'cleen' is not a local run to publish; allowed: clean"):
        publish_runs(results_root, ["cleen"])
