from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sitegen.frames import cell_frame, load_results, loss_frame, primary_cells, ratio_frame
from tests.sitegen import rows

OTHER = rows.MACHINE | {"cpu": "Other 1"}


def test_ratios_are_those_of_the_medians(tmp_path: Path) -> None:
    ratios = ratio_frame(load_results(rows.store(tmp_path, rows.ladder())))
    found = ratios[(ratios["variant"] == "vectorized") & (ratios["baseline"] == "numpy")]
    at_small = found[found["preset"] == "small"].iloc[0]
    assert abs(at_small["speedup"] - 31 / 13) < 1e-9
    assert at_small["speedup_low"] < at_small["speedup"] < at_small["speedup_high"]
    assert not (ratios["variant"] == ratios["baseline"]).any()


def test_published_and_local_rows_never_meet_in_a_ratio(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.cell("numpy", "small", 30.0, run_id="a"))
    rows.store(tmp_path, rows.cell("vectorized", "small", 10.0, run_id="b"), published=False)
    results = load_results(tmp_path)
    assert set(cell_frame(results)["origin"]) == {"published", "local"}
    assert ratio_frame(results).empty


def test_rows_of_two_machines_never_meet_in_a_ratio(tmp_path: Path) -> None:
    rows.store(
        tmp_path,
        rows.cell("numpy", "small", 30.0, run_id="a"),
        rows.cell("vectorized", "small", 10.0, run_id="b", machine=OTHER),
    )
    results = load_results(tmp_path)
    assert cell_frame(results)["machine"].nunique() == 2
    assert ratio_frame(results).empty


def test_the_protocol_that_most_engines_share_is_taken(tmp_path: Path) -> None:
    deep = rows.joined(
        rows.cell("numpy", "small", 30.0, run_id="a"), rows.cell("vectorized", "small", 10.0, run_id="a")
    )
    lone = rows.cell(
        "numpy", "small", 99.0, run_id="b", protocol_hash="f" * 64, started_at=rows.START + timedelta(days=1)
    )
    cells = cell_frame(load_results(rows.store(tmp_path, deep, lone)))
    assert abs(cells[cells["variant"] == "numpy"].iloc[0]["seconds"] - 0.030) < 1e-9


def test_a_cell_that_failed_once_and_worked_once_has_both_rows(tmp_path: Path) -> None:
    part = rows.joined(
        rows.cell("numpy", "tiny", 8.0),
        rows.cell("numpy", "tiny", 0.0, round_number=1, status="crashed", error_tail="trace\nSegmentation fault"),
    )
    cells = cell_frame(load_results(rows.store(tmp_path, part)))
    assert cells["state"].tolist() == ["measured", "failed"]
    assert cells.iloc[1]["reason"] == "Segmentation fault"
    assert "1 of 2 attempts failed" in cells.iloc[0]["evidence"]


def test_a_failure_without_words_names_its_signal_or_code(tmp_path: Path) -> None:
    part = rows.joined(
        rows.cell("numpy", "tiny", 0.0, status="oom", signal="SIGKILL"),
        rows.cell("numpy", "small", 0.0, status="crashed", exit_code=3),
    )
    cells = cell_frame(load_results(rows.store(tmp_path, part)))
    assert cells["reason"].tolist() == ["ended by SIGKILL", "exit code 3"]


def test_prose_quotes_the_published_machine_with_most_cells(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.cell("numpy", "tiny", 8.0, run_id="a", machine=OTHER), rows.ladder("b"))
    rows.store(tmp_path, rows.ladder("c", machine=OTHER), rows.ladder("d", scale=2.0), published=False)
    quoted = primary_cells(cell_frame(load_results(tmp_path)))
    assert set(quoted["origin"]) == {"published"}
    assert all("Example 9000" in machine for machine in quoted["machine"])


def test_nothing_measured_gives_empty_frames(tmp_path: Path) -> None:
    results = load_results(tmp_path / "absent")
    assert cell_frame(results).empty
    assert ratio_frame(results).empty
    assert loss_frame(results, 4).empty


def test_a_loss_curve_is_averaged_to_a_bounded_number_of_points(tmp_path: Path) -> None:
    points = loss_frame(load_results(rows.store(tmp_path, rows.training(steps=400))), 4)
    training = points[points["series"] == "training"]
    assert len(training) == 134  # 400 steps, three at a time
    assert training.iloc[-1]["step"] == 400
    assert points[points["series"] == "held out"]["step"].tolist() == [100, 200, 300, 400]


def test_runs_with_equal_labels_stay_two_lines(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.training("a", steps=20), rows.training("b", steps=20))
    assert loss_frame(load_results(tmp_path), 4)["run"].nunique() == 2
