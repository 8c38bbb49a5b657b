"""Commits of one run beside each other, and contributed rows beside the published ones and nowhere else."""

from __future__ import annotations

from html import unescape

import pandas as pd
import pytest

from bench.arms.landmarks import LANDMARKS
from bench.records.rows import CONTRIBUTED
from sitegen.figures import FIGURES
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.history import history_changes, history_points, releases
from sitegen.rows.results import load_results
from sitegen.tables.history import changes_finding
from sitegen.tables.registry import TABLES
from tests.sitegen import example_rows as rows


@pytest.fixture
def results(tmp_path):
    return load_results(rows.store(tmp_path, rows.ladder(), rows.history()))


def test_every_landmark_is_a_point_beside_the_reference_of_its_run(results):
    points = history_points(results)
    tiny = [point for point in points if point.preset == "tiny"]
    assert [point.commit for point in tiny] == [*(mark.commit for mark in LANDMARKS), "d" * 40]
    assert tiny[0].pair.ratio.speedup == pytest.approx(2 / 3, rel=0.02)
    assert tiny[-1].pair.ratio.speedup == pytest.approx(2.0, rel=0.02)
    frame = FIGURES["history"].rows(results)
    assert frame["label"].iloc[0] == "c7afe13, 23 Nov"
    assert "At small, vectorized is 2.0× as fast as numpy, up from" in FIGURES["history"].module.headline(frame)


def test_the_significant_change_comes_first_and_the_floor_holds_back_the_rest(results):
    changes = history_changes(results)
    assert len(changes) == 2 * len(LANDMARKS)
    first, second, *others = changes
    assert {first.after.preset, second.after.preset} == {"tiny", "small"}
    for change in (first, second):
        assert change.found.outcome == "faster" and change.is_significant
        assert change.after.commit == LANDMARKS[2].commit
    assert not any(change.is_significant for change in others)
    finding = f"Of {len(changes)} measured changes, 2 made the engine faster and 0 slower"
    assert changes_finding(results) == f"{finding}; {len(others)} are within the noise"
    table = unescape(TABLES["history_changes"](results))
    assert table.index("faster") < table.index(LANDMARKS[2].change) < table.index(LANDMARKS[3].change)


def test_without_rows_the_pages_say_what_to_run(tmp_path):
    nothing = load_results(tmp_path)
    assert changes_finding(nothing) == "No commit has been measured yet"
    assert "invoke bench --suite history" in unescape(TABLES["history_changes"](nothing))
    assert "invoke bench --suite standard" in unescape(TABLES["history_runs"](nothing))
    assert "No machine has been contributed yet" in TABLES["contributed"](nothing)
    assert FIGURES["history"].rows(nothing).empty and FIGURES["machines"].rows(nothing).empty


def test_a_release_is_the_newest_measured_commit_that_it_contains():
    tags = {"a": "work\nv0.1.0\nv0.2.0", "b": "v0.1.0\nv0.2.0", "c": "v0.2.0", "d": ""}
    assert releases(tags, lambda folder, *words: tags[words[2]]) == {"b": "v0.1.0", "c": "v0.2.0"}
    assert releases(tags, lambda *_: None) == {}


def test_contributed_rows_are_on_their_own_page_and_change_nothing_elsewhere(tmp_path):
    root = rows.store(tmp_path, rows.ladder(), rows.stack())
    before = load_results(root)
    faster = rows.ladder("elsewhere", scale=0.1, machine=rows.MACHINE | {"cpu": "<b>Laptop</b>\u202e 7"})
    after = load_results(rows.contribute(root, faster, rows.stack("elsewhere-2")))
    for name in ("count.cells", "count.processors", "speedup_range.vectorized.numpy", "cost.error.vectorized"):
        assert resolve_number(name, QuotedRows(after)).text == resolve_number(name, QuotedRows(before)).text, name
    for name, table in TABLES.items():
        assert name == "contributed" or table(after) == table(before), name
    for name, figure in FIGURES.items():
        if name != "machines" and figure.needs:
            pd.testing.assert_frame_equal(figure.rows(after), figure.rows(before))
    own = FIGURES["machines"].rows(after)
    assert set(own["origin"]) == {"published", CONTRIBUTED}
    assert FIGURES["machines"].module.headline(own).endswith("on 1 published and 2 contributed machines")
    table = TABLES["contributed"](after)
    assert "contributed" in unescape(table) and "<b>" not in table and "\u202e" not in table
