from __future__ import annotations

import numpy as np
import pytest

from bench.records.rows import Rows
from bench.records.store import write_tables
from bench.statistics.cells import cell_summary
from bench.statistics.compare import NOT_MEASURED, SLOWER, compare_stored
from bench.statistics.noise import NO_FLOOR, Floor, cell_verdict, noise_floors, ratio_verdict
from bench.statistics.ratios import Ratio
from bench.terminal.show import print_comparison
from tests.bench.rows import MACHINE, frames, run_row, step_rows
from tinygpt.errors import ResultsError


def write(root, run_id, times, commit="c" * 40, **changes):
    """Six rounds of each variant: {(variant, preset): milliseconds}, each round a little slower than the last."""
    runs, steps = [], []
    for (variant, preset), milliseconds in times.items():
        for number in range(6):
            run = run_row(run_id, variant, preset, number, rounds=6, commit=commit, **changes)
            runs.append(run)
            steps += step_rows(run, [milliseconds / 1e3 * (1 + 0.002 * number)] * 15)
    write_tables(root, run_id, Rows(runs, steps))


BEFORE = {("vectorized", "tiny"): 10.0, ("vectorized", "small"): 20.0}


@pytest.mark.parametrize(
    ("after", "verdict", "code"),
    [(8.0, "stable", 0), (10.2, "stable", 0), (10.4, "stable", 0), (11.0, "stable", SLOWER)],
)
def test_slower_is_beyond_interval_floor_and_threshold(results_root, console, after, verdict, code):
    write(results_root, "run-a", BEFORE)
    write(results_root, "run-b", BEFORE | {("vectorized", "tiny"): after})
    comparison = compare_stored(results_root, "run-a", "run-b")
    tiny, small = comparison.points
    assert (tiny.preset, tiny.verdict, tiny.slower) == ("tiny", verdict, code == SLOWER)
    assert tiny.ratio.speedup == pytest.approx(10.0 / after)
    assert (small.verdict, small.slower, small.floor) == ("unresolved", False, NO_FLOOR)
    assert comparison.exit_code == code
    print_comparison(comparison, console)
    text = console.file.getvalue()
    assert "run-a → run-b" in text
    assert ("Slower by more than 5%" in text) == (code == SLOWER)


def test_commits_are_compared_by_their_newest_clean_runs(results_root):
    write(results_root, "run-a", BEFORE, commit="a" * 40)
    write(results_root, "run-b", BEFORE | {("vectorized", "tiny"): 5.0}, commit="b" * 40)
    write(results_root, "run-c", BEFORE, commit="b" * 40, dirty=True)
    points = compare_stored(results_root, "aaaa", "bbbb").points
    assert points[0].ratio.speedup == pytest.approx(2.0)
    with pytest.raises(ResultsError, match="'dddd' names no run and no commit"):
        compare_stored(results_root, "aaaa", "dddd")
    with pytest.raises(ResultsError, match="the same run"):
        compare_stored(results_root, "aaaa", "run-a")


def test_cells_that_one_side_lacks_are_named_and_have_an_exit_code(results_root):
    write(results_root, "run-a", BEFORE)
    write(results_root, "run-b", {("vectorized", "tiny"): 10.0, ("numpy", "tiny"): 30.0})
    crashed = {"status": "crashed", "error_tail": "ended by SIGSEGV"}
    write(results_root, "run-c", BEFORE, **crashed)
    comparison = compare_stored(results_root, "run-a", "run-b")
    assert comparison.missing == (
        "numpy at tiny: not measured in run-a",
        "vectorized at small: not measured in run-b",
    )
    assert (len(comparison.points), comparison.exit_code) == (1, NOT_MEASURED)
    failed = compare_stored(results_root, "run-a", "run-c")
    assert failed.missing[0] == "vectorized at tiny: crashed in run-c"
    assert failed.exit_code == NOT_MEASURED


def test_other_protocols_and_machines_are_refused_field_by_field(results_root):
    write(results_root, "run-a", BEFORE)
    quick = run_row("run-q", "vectorized", rounds=1)
    write_tables(results_root, "run-q", Rows([quick], step_rows(quick, [0.01] * 15)))
    write(results_root, "run-m", BEFORE, machine=MACHINE.replace("Haswell", "SkylakeX"))
    with pytest.raises(ResultsError, match="different protocols: rounds 6 against 1"):
        compare_stored(results_root, "run-a", "run-q")
    with pytest.raises(ResultsError, match="different machines: blas_kernel 'Haswell' against 'SkylakeX'"):
        compare_stored(results_root, "run-a", "run-m")


# ---- verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "speedup", "high", "rounds", "verdict"),
    [
        (1.9, 2.0, 2.05, 6, "stable"),
        (1.8, 2.0, 2.2, 6, "noisy"),
        (1.9, 2.0, 2.05, 5, "unresolved"),
        (0.9, 1.2, 1.3, 6, "unresolved"),
        (1.01, 1.02, 1.03, 6, "unresolved"),
        (0.94, 0.95, 0.96, 6, "stable"),
    ],
)
def test_verdicts_on_ratios(low, speedup, high, rounds, verdict):
    assert ratio_verdict(Ratio(speedup, low, high, (speedup,) * rounds), Floor(0.03, 9)) == verdict


def test_verdicts_on_cells_and_floors_by_run():
    def rounds(variant, medians, run_id="run-a"):
        return [(run_row(run_id, variant, number=n), [median] * 15) for n, median in enumerate(medians)]

    cells = [
        *rounds("numpy", [1.0, 1.01, 1.02, 1.03, 1.0, 1.0]),
        *rounds("vectorized", [1.0, 1.0, 1.0, 1.0, 1.0, 1.2]),
        *rounds("numpy#2", np.array([1.0, 1.01, 1.02, 1.03, 1.0, 1.0]) * 1.02),
        *rounds("vectorized[threads=1]", [1.0]),
    ]
    cells.append((run_row("run-a", "python", status="timeout", error_tail="limit"), []))
    summary = cell_summary(*frames(*cells))
    verdicts = {cell.variant: cell_verdict(cell) for cell in summary}
    assert verdicts == {
        "numpy": "stable", "numpy#2": "stable", "vectorized": "noisy", "vectorized[threads=1]": "unresolved",
        "python": "timeout",
    }  # fmt: skip
    floors = noise_floors(summary)
    (floor,) = floors.values()  # of one draw: Student's quantile with one degree of freedom, 12.7
    assert (floor.n_arms, floor.difference) == (1, pytest.approx(1.02**12.706 - 1, rel=1e-3))
