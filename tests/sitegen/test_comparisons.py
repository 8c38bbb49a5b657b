from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

from sitegen.comparisons import run_comparisons, runs_side_by_side
from sitegen.frames import load_results
from tests.sitegen import rows

LATER = rows.START + timedelta(days=1)


def rounds(run_id: str, milliseconds: float, **changes: object) -> dict[str, list[dict[str, object]]]:
    return rows.joined(*(rows.cell("numpy", "tiny", milliseconds, run_id, number, **changes) for number in range(6)))


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_two_runs_of_one_cell_are_compared_the_older_one_first(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rounds("old", 8.0), rounds("new", 16.0, started_at=LATER)))
    text = text_of(run_comparisons(results))
    assert re.search(r"old\s+→\s+new\s*: 1 cell; exit code 3, something is slower", text)
    assert "0.50×" in text
    assert "slower" in text


def test_a_cell_that_one_side_lacks_is_named(tmp_path: Path) -> None:
    other = rows.joined(rounds("new", 8.0, started_at=LATER), rows.cell("vectorized", "tiny", 4.0, "new"))
    text = text_of(run_comparisons(load_results(rows.store(tmp_path, rounds("old", 8.0), other))))
    assert "exit code 4" in text
    assert "vectorized at tiny: not measured in old" in text


def test_runs_of_two_machines_are_not_compared_and_say_so(tmp_path: Path) -> None:
    other = rounds("new", 8.0, started_at=LATER, machine=rows.MACHINE | {"cores": 64})
    text = text_of(run_comparisons(load_results(rows.store(tmp_path, rounds("old", 8.0), other))))
    assert "old → new : not comparable" in re.sub(r"\s+", " ", text)
    assert "cores" in text


def test_runs_that_share_no_cell_or_no_runs_at_all(tmp_path: Path) -> None:
    results = load_results(rows.store(tmp_path, rounds("old", 8.0), rows.cell("numpy", "small", 8.0, "new")))
    assert "No two runs measured the same cell" in text_of(run_comparisons(results))
    assert "No two runs" in text_of(run_comparisons(load_results(tmp_path / "none")))
    assert "No runs are recorded" in text_of(runs_side_by_side(load_results(tmp_path / "none")))


def test_each_run_has_one_line_with_its_failures_and_hostile_ids_are_text(tmp_path: Path) -> None:
    failed = rows.cell("numpy<img src=x>", "tiny", 0.0, "new", status="crashed", started_at=LATER)
    page = runs_side_by_side(load_results(rows.store(tmp_path, rounds("old", 8.0), failed)))
    assert page.count("<tr>") == 3
    assert page.index("new") < page.index(">old<")
    assert "<img" not in page
