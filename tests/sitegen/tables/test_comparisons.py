from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

from sitegen.rows.results import load_results
from sitegen.tables.comparisons import LIMIT, run_comparisons, runs_side_by_side
from tests.sitegen import example_rows as rows

LATER = rows.START + timedelta(days=1)
LAST = rows.START + timedelta(days=2)


def rounds(run_id: str, milliseconds: float, **changes: object) -> dict[str, list[dict[str, object]]]:
    return rows.joined(*(rows.cell("numpy", "tiny", milliseconds, run_id, number, **changes) for number in range(6)))


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_two_runs_of_one_cell_are_listed_older_first(tmp_path: Path) -> None:
    new = rounds("new", 16.0, started_at=LATER, suite="standard", commit="c0ffee1" + "0" * 33)
    text = text_of(run_comparisons(load_results(rows.store(tmp_path, rounds("old", 8.0), new))))
    words = r"standard\s+at c0ffee1, 2026-11-21 12:00, after\s+quick\s+at unknown, 2026-11-20 12:00: 1 cell:\s+1 not"
    assert re.search(words, text)
    assert re.search(r"old\s+→\s+new", text)
    assert "no unchanged code was measured beside it" in text
    assert "0.500×" in text


def test_beside_unchanged_code_slower_and_faster_are_counted(tmp_path: Path) -> None:
    hours = []
    for day, numpy in enumerate((8.0, 8.0, 8.0, 12.0)):
        changes = {"started_at": rows.START + timedelta(days=day)}
        peers = (
            rows.cell(peer, "tiny", 4.0 * (1 + day / 10), f"day-{day}", number, kind="peer", **changes)
            for peer in ("torch", "torch-compile")
            for number in range(6)
        )
        hours.append(rows.joined(rounds(f"day-{day}", numpy, **changes), *peers))
    text = text_of(run_comparisons(load_results(rows.store(tmp_path, *hours))))
    assert re.search(r"1 cell:\s+1 slower", text)
    assert "beside torch, torch-compile" in text


def test_a_run_is_compared_with_the_one_that_shares_most_cells_and_nothing_that_shares_none(tmp_path: Path) -> None:
    near = rows.joined(rounds("near", 8.0), rows.cell("vectorized", "tiny", 4.0, "near"))
    few = rounds("few", 8.0, started_at=LATER)
    other = rows.cell("numpy", "small", 8.0, "other", started_at=LATER)
    both = (rounds("new", 8.0, started_at=LAST), rows.cell("vectorized", "tiny", 4.0, "new", started_at=LAST))
    results = load_results(rows.store(tmp_path, near, few, other, rows.joined(*both)))
    text = text_of(run_comparisons(results))
    assert re.findall(r"(\w+)\s+→\s+(\w+)", text) == [("near", "new"), ("near", "few")]
    assert "cells timed in only one of the two: 1" in text


def test_runs_of_two_machines_or_protocols_are_not_compared(tmp_path: Path) -> None:
    elsewhere = rounds("new", 8.0, started_at=LATER, machine=rows.MACHINE | {"cores": 64})
    assert "No two runs" in text_of(run_comparisons(load_results(rows.store(tmp_path, rounds("old", 8.0), elsewhere))))
    shorter = rows.joined(
        *(
            rows.cell("numpy", "tiny", 8.0, "short", number, started_at=LAST, protocol=rows.OTHER_PROTOCOL)
            for number in range(6)
        )
    )
    text = text_of(run_comparisons(load_results(rows.store(tmp_path / "b", rounds("old", 8.0), shorter))))
    assert "No two runs" in text


def test_runs_of_one_preset_with_another_context_have_no_empty_table(tmp_path: Path) -> None:
    longer = rounds("new", 8.0, started_at=LATER, n_parameters=80_000)
    assert "No two runs" in text_of(run_comparisons(load_results(rows.store(tmp_path, rounds("old", 8.0), longer))))


def test_the_page_stays_short_and_begins_with_what_is_newest(tmp_path: Path) -> None:
    many = [rounds(f"run-{day:02}", 8.0, started_at=rows.START + timedelta(days=day)) for day in range(LIMIT + 3)]
    pairs = re.findall(
        r"(run-\d+)\s+→\s+(run-\d+)", text_of(run_comparisons(load_results(rows.store(tmp_path, *many))))
    )
    assert pairs[0] == (f"run-{LIMIT + 1:02}", f"run-{LIMIT + 2:02}")
    assert len(pairs) == LIMIT


def test_runs_that_share_no_cell_or_no_runs_at_all(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rounds("old", 8.0), rows.cell("numpy", "small", 8.0, "new")))
    assert "No two runs measured the same cell" in text_of(run_comparisons(results))
    assert "No two runs" in text_of(run_comparisons(load_results(tmp_path / "none")))
    assert "No runs are recorded" in text_of(runs_side_by_side(load_results(tmp_path / "none")))


def test_training_runs_have_no_line_beside_those_that_measure(tmp_path: Path) -> None:
    page = runs_side_by_side(load_results(rows.store(tmp_path, rounds("old", 8.0), rows.training("night"))))
    assert page.count("<tr>") == 2
    assert "night" not in page


def test_each_run_has_one_line_with_its_failures_and_hostile_ids_are_text(tmp_path: Path) -> None:
    failed = rows.cell("numpy<img src=x>", "tiny", 0.0, "new", status="crashed", started_at=LATER)
    page = runs_side_by_side(load_results(rows.store(tmp_path, rounds("old", 8.0), failed)))
    assert page.count("<tr>") == 3
    assert page.index("new") < page.index(">old<")
    assert "<img" not in page
