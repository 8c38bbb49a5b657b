from __future__ import annotations

import math

import pytest

from bench.statistics.cells import cell_summary, replaced_rounds
from bench.statistics.ratios import speedups
from tests.bench.rows import MACHINE, frames, rounds, run_row


def test_few_rounds_have_a_median_and_no_interval():
    (cell,) = cell_summary(*frames((run_row(), [float(n) for n in range(1, 16)])))
    assert (cell.seconds.median, math.isnan(cell.seconds.low), math.isnan(cell.seconds.high)) == (8.0, True, True)
    assert (cell.has_interval, cell.n_rounds, cell.n_steps) == (False, 1, 15)  # warm-ups are not in it
    assert cell.tokens_per_second == pytest.approx(512 / 8.0)
    assert cell.status == "ok"


def test_six_rounds_are_summarized_by_their_medians():
    (cell,) = cell_summary(*frames(*rounds("numpy", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])))
    assert (cell.seconds.median, cell.seconds.low, cell.seconds.high) == (3.5, 1.0, 6.0)
    assert (cell.has_interval, cell.n_rounds, cell.n_steps) == (True, 6, 90)
    assert (cell.rounds, cell.rounds_apart) == ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), 6.0)


def test_failures_are_counted_and_enter_no_median():
    bad = run_row(number=1, status="timeout", error_tail="limit of 30 s reached")
    (cell,) = cell_summary(*frames((run_row(), [1.0] * 15), (bad, [500.0] * 4)))
    assert (cell.status, cell.n_attempts, cell.n_failed, cell.n_rounds) == ("ok", 2, 1, 1)
    assert cell.seconds.median == 1.0
    assert cell.error_tail == "limit of 30 s reached"


def test_a_cell_that_only_failed_is_still_there():
    bad = run_row(variant="python", status="timeout", error_tail="limit", setup_seconds=None, peak_memory_bytes=None)
    (cell,) = cell_summary(*frames((bad, [])))
    assert (cell.status, cell.n_rounds) == ("timeout", 0)
    assert math.isnan(cell.seconds.median)
    assert math.isnan(cell.tokens_per_second)
    assert cell.peak_memory_bytes is None


def test_nothing_is_pooled_across_origin_machine_protocol():
    other = MACHINE.replace("Some CPU", "Other CPU")
    runs, steps = frames(
        (run_row("run-a"), [1.0] * 15),
        (run_row("run-b", machine=other), [2.0] * 15),
        (run_row("run-c", rounds=6), [3.0] * 15),
        (run_row("run-d"), [4.0] * 15),
    )
    runs["origin"] = ["local", "local", "local", "published"]
    assert sorted(cell.seconds.median for cell in cell_summary(runs, steps)) == [1.0, 2.0, 3.0, 4.0]


def test_training_runs_are_no_cells():
    assert cell_summary(*frames((run_row(kind="train"), [1.0] * 15))) == []
    runs, steps = frames((run_row(), [1.0] * 15))
    assert cell_summary(runs.iloc[:0], steps.iloc[:0]) == []
    assert speedups([], "numpy") == []


def test_steps_that_were_timed_together_are_one_observation():
    runs, steps = frames((run_row(), [0.1] * 3 + [0.4] * 3 + [0.2] * 9))
    steps["elapsed_seconds"] = (steps["step"] - 1) // 3  # groups of three, the warm-ups a group of their own
    (cell,) = cell_summary(runs, steps)
    assert cell.round_times[0].tolist() == [0.1, 0.4, 0.2, 0.2, 0.2]


def with_a_replacement(*rows):
    """Six rounds of two arms, of which the third was slow, and rows of the round that measures it again."""
    slow = [1.0, 1.0, 9.0, 1.0, 1.0, 1.0]
    again = [(run_row(variant=name, number=6, replaces=2, **changes), seconds) for name, seconds, changes in rows]
    return frames(*rounds("numpy", slow), *rounds("vectorized", slow), *again)


def test_a_replacement_counts_in_the_place_of_its_round_however_it_came_out():
    for seconds in (2.0, 20.0):
        runs, steps = with_a_replacement(("numpy", [seconds] * 15, {}), ("vectorized", [3.0] * 15, {}))
        for cell in cell_summary(runs, steps):
            assert sorted(cell.round_times) == [0, 1, 3, 4, 5, 6]
            assert (cell.n_rounds, cell.n_attempts, cell.n_failed) == (6, 7, 0)
    assert replaced_rounds(runs) == {("run-a", "tiny", 2)}


def test_a_replacement_counts_for_all_arms_or_for_none():
    stopped = {"status": "interrupted", "error_tail": "stopped"}
    for rows in ([], [("vectorized", [2.0] * 4, stopped)]):
        runs, steps = with_a_replacement(("numpy", [2.0] * 15, {}), *rows)
        assert replaced_rounds(runs) == set()
        by_name = {cell.variant: cell for cell in cell_summary(runs, steps)}
        assert sorted(by_name["vectorized"].round_times) == [0, 1, 2, 3, 4, 5]


def test_a_failure_in_a_replacement_takes_the_round_from_its_arm():
    crash = {"status": "crashed", "error_tail": "SIGSEGV"}
    runs, steps = with_a_replacement(("numpy", [2.0] * 15, {}), ("vectorized", [2.0] * 4, crash))
    numpy, vectorized = cell_summary(runs, steps)
    assert (numpy.n_rounds, vectorized.n_rounds, vectorized.n_failed) == (6, 5, 1)
