from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from bench.arms.suites import Arm, Suite
from bench.measuring.progress import SuiteProgress
from bench.measuring.runner import RunSummary
from bench.planning.projection import measured_cells
from bench.records.rows import LOCAL, Rows
from bench.records.store import read_table, table_file, write_tables
from bench.terminal.show import print_results, print_run
from tests.bench.rows import MACHINE, START, run_row, step_rows
from tinygpt.errors import ResultsError


def write(root, *runs):
    steps = [row for run, seconds in runs for row in step_rows(run, seconds)]
    write_tables(root, "run-a", Rows([run for run, _ in runs], steps))


@pytest.fixture
def measured(results_root):
    write(
        results_root,
        (run_row(), [0.012] * 15),
        (run_row(variant="vectorized[threads=1]"), [0.003] * 15),
        (run_row(variant="python", status="timeout", error_tail="limit of 10 s reached, 1 of 18 steps done"), []),
        (run_row(preset="small", kind="train", suite="train", held_out_loss=1.625), [0.1]),
    )
    return results_root


def test_results_show_cells_ratios_failures_and_training(measured, console):
    print_results(measured, console)
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith("local: Some CPU, x86-64-v3, 2 cores, 8.0 GiB, Linux 6.1")
    fast = next(line for line in lines if "vectorized[threads=1]" in line)
    assert "3.00 ms" in fast
    assert "4.00×" in fast
    assert any("python at tiny: 1 of 1 failed: limit of 10 s reached" in line for line in lines)
    assert any("small" in line and "1.625" in line for line in lines)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_narrow_terminals_keep_the_important_columns(measured, width):
    console = Console(file=io.StringIO(), width=width)
    print_results(measured, console)
    fast = next(line for line in console.file.getvalue().splitlines() if "vectorized" in line)
    assert len(fast) <= width
    for text in ("3.00 ms", "no interval", "unresolved", "~4.00×"):
        assert text in fast


def test_the_run_that_measured_peers_is_shown_as_on_the_pages(results_root, console):
    """A newer run without peers does not displace the picture that one run gives (``complete_runs``)."""
    peers = [("numpy", "bench", 0.012), ("vectorized", "bench", 0.004), ("torch", "peer", 0.005)]
    later = START + timedelta(days=1)
    older = [(run_row("run-a", name, kind=kind), seconds) for name, kind, seconds in peers]
    newer = [(run_row("run-b", name, started_at=later), seconds / 2) for name, _, seconds in peers[:2]]
    for pairs in (older, newer):
        steps = [row for run, seconds in pairs for row in step_rows(run, [seconds] * 15)]
        write_tables(results_root, pairs[0][0].run_id, Rows([run for run, _ in pairs], steps))
    print_results(results_root, console)
    shown = next(line for line in console.file.getvalue().splitlines() if "vectorized" in line)
    assert "4.00 ms" in shown and "2.00 ms" not in shown
    cells = measured_cells(read_table("runs", results_root), read_table("steps", results_root))
    assert {cell.variant: cell.seconds.median for cell in cells}["vectorized"] == pytest.approx(0.004)


def test_without_results_the_command_to_run_is_printed(results_root, console):
    print_results(results_root, console)
    assert "invoke bench --suite quick" in console.file.getvalue()


def test_good_rows_are_shown_despite_a_damaged_file(measured, console):
    table_file(measured, "local", "steps", "zz").write_bytes(b"nonsense")
    with pytest.raises(ResultsError, match="steps-zz"):
        print_results(measured, console)
    assert "vectorized[threads=1]" in console.file.getvalue()


def test_one_run_and_its_summary(measured, console):
    summary = RunSummary("run-a", ("ok", "ok", "timeout"), 5, True, False)
    print_run(summary, measured, console)
    assert "2 ok, 1 timeout, 2 not started." in console.file.getvalue()
    assert summary.exit_code == 130
    with pytest.raises(ResultsError, match="no run 'run-b'"):
        print_results(measured, console, run_id="run-b")


def test_the_newest_run_is_shown_and_all_on_request(measured, console):
    again = run_row("run-b", "vectorized[threads=1]", commit="d" * 40, started_at=START + timedelta(days=1))
    write_tables(measured, "run-b", Rows([again], step_rows(again, [0.002] * 15)))
    print_results(measured, console)
    fast = [line for line in console.file.getvalue().splitlines() if "vectorized[threads=1]" in line]
    assert len(fast) == 1
    # The newest time, but the ratio of the run that holds both engines, marked as such and as one round's.
    assert ("2.00 ms" in fast[0], "~4.00×*" in fast[0], "ddddddd" in fast[0]) == (True, True, True)
    notes = console.file.getvalue()
    assert "~ unresolved: fewer than six rounds" in notes
    assert "* the mean of several runs, or of another run than the time" in notes
    print_results(measured, console, every_run=True)
    assert sum("vectorized[threads=1]" in line for line in console.file.getvalue().splitlines()) == 3


def test_the_noise_floor_is_shown_and_the_copy_is_not(measured, console):
    runs, steps = [], []
    for number in range(6):
        for variant, seconds in (("numpy#2", 0.0102), ("numpy", 0.01)):
            runs.append(run_row("run-b", variant, number=number))
            steps += step_rows(runs[-1], [seconds] * 15)
    write_tables(measured, "run-b", Rows(runs, steps))
    print_results(measured, console)
    text = console.file.getvalue()
    assert (
        "noise floor: 2.0%, from 1 pair of equal arms in 1 session; the next session has a larger difference with 50%"
        in text
    )
    assert "numpy#2" not in text
    assert "unresolved" in text  # one round


def test_text_from_rows_is_not_markup(results_root, console):
    write(results_root, (run_row(variant="x", status="crashed", error_tail="[bold]loud[/bold] [/]"), []))
    print_results(results_root, console)
    assert "[bold]loud[/bold] [/]" in console.file.getvalue()


# ---- progress ------------------------------------------------------------------------------------------------


SUITE = Suite("x", "", 2, (Arm("numpy", "tiny", 100.0, 2), Arm("vectorized", "tiny", 50.0, 2)))


def test_time_left_is_a_bound_until_every_arm_has_run():
    console = Console(file=io.StringIO(), width=100)
    assert SuiteProgress(console, SUITE.cells, 18).left() == "at most 5:00 left"
    known = {("numpy", "tiny"): 2.0, ("vectorized", "tiny"): 1.0}
    assert SuiteProgress(console, SUITE.cells, 18, 0, known).left() == "about 0:06 left"
    longer_elsewhere = known | {("numpy", "tiny"): 1200.0}
    assert SuiteProgress(console, SUITE.cells, 18, 0, longer_elsewhere).left() == "about 3:22 left"


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_counts_down_from_limits_and_then_from_measured_rounds(terminal):
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal)
    with SuiteProgress(console, SUITE.cells, 18) as progress:
        assert progress.seconds_left() == 300.0
        progress.start_cell(SUITE.cells[0])
        progress.show_step(3)
        progress.end_cell("ok", 0.0134, None)
        # The other round of numpy is now expected to take as long as this one, almost no time.
        assert 99.0 < progress.seconds_left() < 101.0
        progress.start_cell(SUITE.cells[1])
        progress.end_cell("timeout", float("nan"), "noise on stderr\nlimit of 50 s reached")
    text = console.file.getvalue()
    assert "1/4" in text
    assert "13.4 ms a step" in text
    assert "limit of 50 s reached" in text
    assert "noise" not in text
    if not terminal:
        assert "\x1b" not in text
        assert "about" in text  # both arms have run


def test_texts_of_a_file_do_not_reach_the_terminal_as_they_are(results_root):
    """Escape sequences and reversed writing in every text of a row, in a file that the checks accept."""
    bad = "\x1b]0;title\x07\x1b[31m\u202eevil\u2066\x9b2J"
    machine = json.dumps(json.loads(MACHINE) | {"cpu": bad, "os": bad, "python": bad, "blas": bad})
    runs = [
        run_row("run-a", f"numpy{bad}", machine=machine),
        run_row("run-a", "vectorized", machine=machine, preset="tiny", corpus=bad, commit=bad, status="crashed",
                error_tail=f"first\n{bad}"),
        run_row("run-a", "torch", machine=machine, kind="peer", status="crashed", error_tail=bad),
        run_row("run-a", "numpy", machine=machine, number=4, kind="train", suite=bad, corpus=bad),
    ]  # fmt: skip
    steps = [step for run in (runs[0], runs[3]) for step in step_rows(run, [0.1] * 15)]
    write_tables(results_root, "run-a", Rows(runs, steps))
    shown = subprocess.run(
        [sys.executable, "-c", "import sys; from pathlib import Path; from bench.terminal.show import print_results; "
         "print_results(Path(sys.argv[1]), every_run=True)", str(results_root)],
        capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    assert shown.count("evil") > 5
    assert {char for char in shown if char in "\x1b\x07\x9b\u202e\u2066"} == set()


def test_an_error_shows_a_files_texts_visibly_and_cut(results_root):
    """A value that is refused is quoted in the error: escaped, and not a megabyte of it."""
    write_tables(results_root, "run-a", Rows([run_row()]))
    path = table_file(results_root, LOCAL, "runs", "run-a")
    table = pq.read_table(path)
    bad = pa.array(["\x1b[31m\u202e" + "x" * 1_000_000], pa.string())
    pq.write_table(table.set_column(table.schema.get_field_index("status"), table.schema.field("status"), bad), path)
    with pytest.raises(ResultsError, match="column 'status'") as caught:
        read_table("runs", results_root)
    assert len(str(caught.value)) < 1000
    assert not {"\x1b", "\u202e"} & set(str(caught.value))
