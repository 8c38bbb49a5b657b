from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import quantile_test

from bench.statistics.summary import cell_summary, median_interval, ratio, speedups
from tests.bench.rows import MACHINE, run_row, step_rows
from tinygpt.errors import ResultsError


def frames(*cells: tuple[dict, list[float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    runs = pd.DataFrame([run for run, _ in cells])
    steps = pd.DataFrame([row for run, seconds in cells for row in step_rows(run, seconds)])
    return runs, steps


def rounds(variant: str, medians: list[float], run_id: str = "run-a", **changes) -> list[tuple[dict, list[float]]]:
    return [
        (run_row(run_id, variant, number=number, **changes), [median * 0.9] * 7 + [median] + [median * 1.1] * 7)
        for number, median in enumerate(medians)
    ]


# ---- intervals ---------------------------------------------------------------------------------------------


def test_interval_of_six_is_their_range():
    interval = median_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    assert (interval.low, interval.median, interval.high) == (1.0, 3.5, 6.0)
    assert interval.coverage == pytest.approx(1 - 2 / 2**6)


def test_interval_of_fifteen_drops_three_at_each_end():
    interval = median_interval(np.arange(15.0))
    assert (interval.low, interval.median, interval.high) == (3.0, 7.0, 11.0)
    assert interval.coverage == pytest.approx(0.96484, abs=1e-5)


@pytest.mark.parametrize("n", [6, 7, 9, 12, 15, 30, 90])
def test_interval_agrees_with_scipy(n):
    values = np.random.default_rng(n).lognormal(size=n)
    expected = quantile_test(values, p=0.5).confidence_interval(confidence_level=0.95)
    interval = median_interval(values)
    assert interval.coverage >= 0.95
    # SciPy takes the two ends one at a time and may be a rank tighter at one of them.
    assert interval.low <= expected.low and interval.high >= expected.high
    inside = np.sum((values >= interval.low) & (values <= interval.high))
    assert inside <= np.sum((values >= expected.low) & (values <= expected.high)) + 1


def test_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = sum(i.low <= 0.0 <= i.high for i in (median_interval(rng.standard_cauchy(15)) for _ in range(2000)))
    assert 0.95 < hits / 2000 < 0.98


def test_few_observations_say_that_they_are_few():
    assert median_interval([2.0]).coverage == 0.0
    assert median_interval([2.0, 1.0]).coverage == pytest.approx(0.5)


# ---- cells -------------------------------------------------------------------------------------------------


def test_one_round_is_summarized_by_its_steps():
    summary = cell_summary(*frames((run_row(), [float(n) for n in range(1, 16)])))
    row = summary.iloc[0]
    assert (row["median_step_seconds"], row["low_step_seconds"], row["high_step_seconds"]) == (8.0, 4.0, 12.0)
    assert (row["interval_basis"], row["n_rounds"], row["n_steps"]) == ("steps", 1, 15)  # warm-ups are not in it
    assert row["tokens_per_second"] == pytest.approx(512 / 8.0)
    assert row["status"] == "ok"


def test_six_rounds_are_summarized_by_their_medians():
    row = cell_summary(*frames(*rounds("numpy", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))).iloc[0]
    assert (row["median_step_seconds"], row["low_step_seconds"], row["high_step_seconds"]) == (3.5, 1.0, 6.0)
    assert (row["interval_basis"], row["n_rounds"], row["n_steps"]) == ("rounds", 6, 90)


def test_failures_are_counted_and_enter_no_median():
    bad = run_row(number=1, status="timeout", error_tail="limit of 30 s reached")
    summary = cell_summary(*frames((run_row(), [1.0] * 15), (bad, [500.0] * 4)))
    row = summary.iloc[0]
    assert (row["status"], row["n_attempts"], row["n_failed"], row["n_rounds"]) == ("ok", 2, 1, 1)
    assert row["median_step_seconds"] == 1.0
    assert row["error_tail"] == "limit of 30 s reached"


def test_a_cell_that_only_failed_is_still_a_row():
    bad = run_row(variant="python", status="timeout", error_tail="limit", setup_seconds=None, peak_memory_bytes=None)
    row = cell_summary(*frames((bad, []))).iloc[0]
    assert (row["status"], row["n_rounds"]) == ("timeout", 0)
    assert math.isnan(row["median_step_seconds"])
    assert math.isnan(row["tokens_per_second"])


def test_nothing_is_pooled_across_origin_machine_protocol():
    other = MACHINE.replace("Some CPU", "Other CPU")
    runs, steps = frames(
        (run_row("run-a"), [1.0] * 15),
        (run_row("run-b", machine=other), [2.0] * 15),
        (run_row("run-c", rounds=6), [3.0] * 15),
        (run_row("run-d"), [4.0] * 15),
    )
    runs["origin"] = ["local", "local", "local", "published"]
    assert sorted(cell_summary(runs, steps)["median_step_seconds"]) == [1.0, 2.0, 3.0, 4.0]


def test_training_runs_are_no_cells():
    assert cell_summary(*frames((run_row(kind="train"), [1.0] * 15))).empty
    runs, steps = frames((run_row(), [1.0] * 15))
    assert cell_summary(runs.iloc[:0], steps.iloc[:0]).empty
    assert speedups(cell_summary(runs.iloc[:0], steps.iloc[:0]), "numpy").empty


# ---- ratios ------------------------------------------------------------------------------------------------


def test_ratio_over_rounds_cancels_what_rounds_share():
    drift = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]  # the machine slows down, for both alike
    cells = rounds("numpy", [4.0 * d for d in drift]) + rounds("vectorized", drift)
    table = speedups(cell_summary(*frames(*cells)), "numpy").set_index("variant")
    fast = table.loc["vectorized"]
    assert fast["ratio_basis"] == "rounds"
    assert (fast["speedup"], fast["speedup_low"], fast["speedup_high"]) == pytest.approx((4.0, 4.0, 4.0))
    own = table.loc["numpy"]
    assert (own["speedup"], own["speedup_low"], own["speedup_high"]) == (1.0, 1.0, 1.0)


def test_ratio_of_few_rounds_takes_the_extremes():
    cells = [*rounds("python", [10.0]), *rounds("vectorized", [1.0, 1.0])]
    fast = speedups(cell_summary(*frames(*cells)), "python").set_index("variant").loc["vectorized"]
    assert fast["ratio_basis"] == "steps"
    assert fast["speedup"] == pytest.approx(10.0)
    assert (fast["speedup_low"], fast["speedup_high"]) == pytest.approx((9.0 / 1.1, 11.0 / 0.9))


def test_ratios_are_formed_within_one_run():
    apart = [*rounds("numpy", [4.0], "run-a"), *rounds("vectorized", [1.0], "run-b")]
    assert speedups(cell_summary(*frames(*apart)), "numpy")["variant"].tolist() == ["numpy"]
    # A second run of one side does not change a ratio that another run holds whole.
    together = [*rounds("numpy", [4.0], "run-a"), *rounds("vectorized", [1.0], "run-a")]
    both = [*together, *rounds("vectorized", [100.0], "run-b")]
    fast = speedups(cell_summary(*frames(*both)), "numpy").set_index("variant").loc["vectorized"]
    assert fast["speedup"] == pytest.approx(4.0)


def test_failed_cells_enter_no_ratio():
    cells = [*rounds("numpy", [4.0]), *rounds("vectorized", [0.1], status="diverged", error_tail="losses leave")]
    assert speedups(cell_summary(*frames(*cells)), "numpy")["variant"].tolist() == ["numpy"]


def test_joining_protocols_or_machines_is_refused_with_the_fields():
    six = [run_row(variant="vectorized", rounds=6)]
    summary = cell_summary(*frames((run_row(), [4.0] * 15), (six[0], [1.0] * 15)))
    with pytest.raises(ResultsError, match="different protocols: rounds 1 against 6"):
        ratio(summary.iloc[1], summary.iloc[0])
    moved = run_row(variant="vectorized", machine=MACHINE.replace("Haswell", "SkylakeX"))
    summary = cell_summary(*frames((run_row(), [4.0] * 15), (moved, [1.0] * 15)))
    with pytest.raises(ResultsError, match="different machines: blas_kernel 'Haswell' against 'SkylakeX'"):
        ratio(summary.iloc[1], summary.iloc[0])
    assert speedups(summary, "numpy")["variant"].tolist() == ["numpy"]
