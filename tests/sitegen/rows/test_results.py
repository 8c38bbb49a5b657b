from __future__ import annotations

import re
import shutil
from datetime import timedelta
from html import unescape
from pathlib import Path

from sitegen.figures import FIGURES
from sitegen.figures.grammar.words import first_machine
from sitegen.rows.cells import cell_frame, machine_order, primary_cells
from sitegen.rows.ratios import ratio_frame
from sitegen.rows.results import load_results
from sitegen.rows.training import POINTS_PER_RUN, loss_frame
from sitegen.tables.speed_tables import ratio_table
from sitegen.tables.status import status_table
from tests.sitegen import example_rows as rows

OTHER = rows.MACHINE | {"cpu": "Other 1"}


def test_ratios_are_those_of_the_medians(tmp_path: Path) -> None:
    ratios = ratio_frame(load_results(rows.store(tmp_path, rows.ladder())))
    found = ratios[(ratios["variant"] == "vectorized") & (ratios["baseline"] == "numpy")]
    at_small = found[found["preset"] == "small"].iloc[0]
    assert abs(at_small["speedup"] - 31 / 13) < 1e-9
    assert at_small[["speedup_low", "speedup_high"]].isna().all()
    assert at_small["evidence"] == "1 round of 2.38×"
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


def test_copies_of_files_change_nothing(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.ladder(), rows.kernels(), rows.training())
    before = load_results(tmp_path)
    for path in [*tmp_path.rglob("*.parquet")]:
        shutil.copy(path, path.with_name(f"{path.stem} (1).parquet"))
    after = load_results(tmp_path)
    for name in ("runs", "steps", "samples", "kernels"):
        assert getattr(after, name).equals(getattr(before, name)), name
    assert cell_frame(after).equals(cell_frame(before))


def later(days: int = 1) -> dict[str, object]:
    return {"started_at": rows.START + timedelta(days=days)}


def test_the_newest_run_speaks_for_a_cell_and_the_newest_common_run_for_a_pair(tmp_path: Path) -> None:
    pair = rows.joined(
        rows.cell("numpy", "small", 30.0, run_id="a", commit="a" * 40),
        rows.cell("vectorized", "small", 10.0, run_id="a", commit="a" * 40),
    )
    lone = rows.cell("vectorized", "small", 5.0, run_id="b", commit="b" * 40, **later())
    results = load_results(rows.store(tmp_path, pair, lone))
    cells = cell_frame(results).set_index("variant")
    assert cells["seconds"].to_dict() == {"numpy": 0.030, "vectorized": 0.005}
    assert cells.loc["vectorized", "code"] == "commit bbbbbbb"
    ratios = ratio_frame(results)
    fast = ratios[ratios["variant"] == "vectorized"].iloc[0]
    assert abs(fast["speedup"] - 3.0) < 1e-9  # 10 ms, not 5: those were not measured beside numpy
    assert fast["evidence"].endswith("; vectorized was measured again at commit bbbbbbb")


def test_an_engines_copy_is_the_noise_floor_and_no_engine(tmp_path: Path) -> None:
    def six(variant: str, milliseconds: float) -> list[dict[str, list[dict[str, object]]]]:
        return [rows.cell(variant, "small", milliseconds * (1 + n / 500), round_number=n) for n in range(6)]

    late = rows.cell("vectorized#2", "tiny", 0.0, status="timeout", error_tail="limit")
    cells = [*six("numpy", 10.0), *six("vectorized", 9.0), *six("vectorized#2", 8.0), late]
    results = load_results(rows.store(tmp_path, rows.joined(*cells)))
    assert cell_frame(results)["variant"].tolist() == ["numpy", "vectorized"]
    assert set(cell_frame(results)["verdict"]) == {"stable"}
    ratios = ratio_frame(results).set_index("variant")
    assert set(ratios.index) == {"numpy", "vectorized"}
    # 10 % faster, in a run in which the engine is 11 % away from itself.
    assert ratios.loc["vectorized", "verdict"] == "unresolved"


def test_rounds_of_two_commits_are_not_pooled(tmp_path: Path) -> None:
    def six(run_id: str, milliseconds: float, **changes: object) -> dict[str, list[dict[str, object]]]:
        cells = [rows.cell("vectorized", "small", milliseconds, run_id, n, **changes) for n in range(6)]
        return rows.joined(*cells)

    rows.store(tmp_path, six("a", 10.0, commit="a" * 40), six("b", 5.0, commit="b" * 40, **later()))
    cell = cell_frame(load_results(tmp_path)).iloc[0]
    assert (cell["seconds"], cell["rounds"], cell["seconds_high"]) == (0.005, 6, 0.005)


def test_a_quick_runs_timeout_does_not_hide_a_full_runs_result(tmp_path: Path) -> None:
    late = {"status": "timeout", "error_tail": "limit of 10 s reached", "limit_seconds": 10.0}
    rows.store(
        tmp_path,
        rows.cell("python", "small", 9000.0, run_id="full", suite="full", limit_seconds=1800.0, wall_seconds=170.0),
        rows.cell("python", "large", 0.0, run_id="full-2", **late | {"limit_seconds": 600.0, "suite": "full"}),
        rows.joined(
            rows.cell("python", "small", 0.0, run_id="quick", protocol=rows.OTHER_PROTOCOL, **late, **later()),
            rows.cell("python", "large", 0.0, run_id="quick", protocol=rows.OTHER_PROTOCOL, **late, **later()),
        ),
    )
    cells = cell_frame(load_results(tmp_path))
    assert cells[["preset", "state"]].to_numpy().tolist() == [["small", "measured"], ["large", "failed"]]
    assert not cells["evidence"].str.contains("2 attempts").any()
    assert cells.iloc[1]["measured_at"] == rows.START  # 600 seconds say more than ten


def test_a_newer_failure_stands_beside_an_older_time(tmp_path: Path) -> None:
    broken = {"status": "crashed", "error_tail": "ended by SIGSEGV"}
    rows.store(
        tmp_path,
        rows.cell("numpy", "tiny", 8.0, run_id="old", **broken),
        rows.cell("numpy", "tiny", 8.0, run_id="middle", **later(1)),
        rows.cell("numpy", "small", 30.0, run_id="middle-2", **later(1)),
        rows.cell("numpy", "small", 30.0, run_id="new", **broken, **later(2)),
        rows.cell("numpy", "small", 30.0, run_id="newer", status="interrupted", error_tail="by the user", **later(3)),
    )
    cells = cell_frame(load_results(tmp_path))
    assert cells[["preset", "state", "status"]].to_numpy().tolist() == [
        ["tiny", "measured", "ok"], ["small", "measured", "ok"], ["small", "failed", "crashed"],
    ]  # fmt: skip


def test_published_rows_of_uncommitted_changes_come_last_and_say_so(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.cell("numpy", "tiny", 8.0, run_id="a", commit="a" * 40, dirty=False))
    rows.store(tmp_path, rows.cell("numpy", "tiny", 1.0, run_id="b", commit="a" * 40, dirty=True, **later()))
    assert cell_frame(load_results(tmp_path))["seconds"].tolist() == [0.008]
    rows.store(tmp_path, rows.cell("numpy", "small", 1.0, run_id="c", commit="a" * 40, dirty=True))
    assert cell_frame(load_results(tmp_path)).iloc[1]["code"] == "commit aaaaaaa with uncommitted changes"


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


def test_pages_open_with_the_machine_that_measured_our_fastest_engine_at_most_presets(tmp_path: Path) -> None:
    presets = ("tiny", "small")
    few = [rows.cell(name, at, 5.0, "b", machine=OTHER) for name in ("numpy", "compiled") for at in presets]
    fewer = [
        rows.cell(name, "tiny", 5.0, "c", machine=rows.MACHINE | {"cpu": "Third"}) for name in ("numpy", "compiled")
    ]
    results = load_results(rows.store(tmp_path, rows.ladder(), rows.joined(*few), rows.joined(*fewer)))
    machines = [label.split(",")[0] for label in machine_order(cell_frame(results))]
    assert machines == ["published: Other 1", "published: Third", "published: Example 9000"]
    assert primary_cells(cell_frame(results))["machine"].str.contains("Other 1").all()
    for name in ("speedup", "step_time", "memory"):
        assert first_machine(FIGURES[name].rows(results))["machine"].str.contains("Other 1").all()
    tables = ratio_table(results), status_table(results)
    assert all(re.findall(r"published: [\w ]+", unescape(table))[0] == "published: Other 1" for table in tables)


def test_of_equal_machines_the_newest_opens_and_a_figure_opens_with_the_readers_own(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.ladder("a", machine=OTHER), rows.ladder("b", **later()))
    order = machine_order(cell_frame(load_results(tmp_path)))
    assert ["Example 9000" in machine for machine in order] == [True, False]
    rows.store(tmp_path, rows.cell("numpy", "tiny", 8.0, run_id="c", machine=OTHER), published=False)
    results = load_results(tmp_path)
    assert first_machine(FIGURES["step_time"].rows(results))["machine"].str.startswith("this machine (local)").all()


def test_nothing_measured_gives_empty_frames(tmp_path: Path) -> None:
    results = load_results(tmp_path / "absent")
    assert cell_frame(results).empty
    assert ratio_frame(results).empty
    assert loss_frame(results, 4).empty


def test_a_loss_curve_is_averaged_to_a_bounded_number_of_points(tmp_path: Path) -> None:
    points = loss_frame(load_results(rows.store(tmp_path, rows.training(steps=400))), 4)
    training = points[points["series"] == "training"]
    assert len(training) == POINTS_PER_RUN  # 400 steps, ten at a time
    assert training.iloc[-1]["step"] == 400
    assert points[points["series"] == "held out"]["step"].tolist() == [100, 200, 300, 400]


def test_runs_with_equal_labels_stay_two_lines(tmp_path: Path) -> None:
    rows.store(tmp_path, rows.training("a", steps=120), rows.training("b", steps=120))
    assert loss_frame(load_results(tmp_path), 4)["run"].nunique() == 2
