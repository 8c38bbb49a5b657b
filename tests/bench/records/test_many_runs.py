"""Results of many runs: a file is opened once, and what a run more costs does not depend on how many there are."""

from __future__ import annotations

import cProfile
import pstats
import shutil
from io import StringIO

import pytest
from rich.console import Console

from bench.records import row_files
from bench.records.rows import LOCAL
from bench.records.store import read_table, read_tables
from bench.terminal.show import print_results
from tests.bench.many_runs import write_many

MANY = 16


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(row_files, "MANY", MANY)
    return tmp_path / "cache"


@pytest.fixture
def opened(monkeypatch):
    """Files that are opened, by name."""
    names = []
    read = row_files._read
    monkeypatch.setattr(row_files, "_read", lambda *where: (names.append(where[-1].name), read(*where))[1])
    return names


def same(before, root) -> bool:
    return all(one.equals(other) for one, other in zip(before, read_tables(root), strict=True))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Results of more runs than are read without a cache."""
    return write_many(tmp_path_factory.mktemp("stored"), 2 * MANY)


def test_a_file_is_opened_again_only_when_it_has_changed(tmp_path, opened, cache, stored):
    root = shutil.copytree(stored, tmp_path / "results")
    before = read_tables(root)
    files = sorted(path.name for path in (root / LOCAL).iterdir())
    assert sorted(opened) == files
    opened.clear()
    assert same(before, root)
    assert opened == []
    changed = sorted((root / LOCAL).glob("steps-*"))[3]
    changed.write_bytes(changed.read_bytes())
    assert same(before, root)
    assert opened == [changed.name]
    gone = sorted((root / LOCAL).glob("*"))[0]
    gone.unlink()
    assert len(read_table("runs", root)) == len(before[0]) - 6
    for path in (cache / "rows").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    opened.clear()
    assert len(read_table("runs", root)) == len(before[0]) - 6  # a damaged cache is as good as none
    assert sorted(opened) == [name for name in files if name.startswith("runs-") and name != gone.name]


def test_a_cache_that_cannot_be_written_is_done_without(cache, stored):
    cache.write_text("no folder")
    assert same(read_tables(stored), stored)


def test_few_files_are_not_kept(tmp_path, cache):
    root = write_many(tmp_path / "results", MANY - 1)
    assert not read_table("runs", root).empty
    assert not cache.exists()


def test_a_run_more_costs_little(tmp_path, monkeypatch):
    """Counted in calls of functions, which no load on the machine changes."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("bench.terminal.show._NEWEST", 3)
    few, many = 16, 24  # both have more training runs than are shown, and are kept in the cache
    root = write_many(tmp_path / "results", many)

    def calls() -> int:
        print_results(root, Console(file=StringIO(), width=160))  # and the rows are in the cache
        profile = cProfile.Profile()
        profile.runcall(print_results, root, Console(file=StringIO(), width=160))
        return int(pstats.Stats(profile).total_calls)

    before = calls()
    for table in ("runs", "steps"):
        for path in sorted((root / LOCAL).glob(f"{table}-*"))[few:]:
            path.unlink()
    assert (before - calls()) / (many - few) < 1000
