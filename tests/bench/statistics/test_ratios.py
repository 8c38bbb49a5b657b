from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from bench.statistics.cells import cell_summary
from bench.statistics.ratios import Ratio, combined, ratio_of_rounds, speedup_of, speedups
from bench.statistics.sessions import sessions
from tests.bench.rows import MACHINE, frames, rounds, run_row
from tinygpt.errors import ResultsError


def ratios(baseline: str, *cells) -> dict[str, Ratio]:
    return {pair.cell.variant: pair.ratio for pair in speedups(cell_summary(*frames(*cells)), baseline)}


def test_ratio_over_rounds_cancels_what_rounds_share():
    drift = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]  # the machine slows down, for both alike
    found = ratios("numpy", *rounds("numpy", [4.0 * d for d in drift]), *rounds("vectorized", drift))
    fast, own = found["vectorized"], found["numpy"]
    assert fast.has_interval
    assert (fast.speedup, fast.low, fast.high) == pytest.approx((4.0, 4.0, 4.0))
    assert (own.speedup, own.low, own.high) == (1.0, 1.0, 1.0)


def test_ratio_of_few_rounds_has_no_interval_and_pairs_them():
    fast = ratios("python", *rounds("python", [10.0]), *rounds("vectorized", [1.0, 5.0]))["vectorized"]
    assert fast.rounds == pytest.approx((10.0,))  # the second round has no partner
    assert math.isnan(fast.low) and math.isnan(fast.high)
    assert ratio_of_rounds({0: np.ones(3)}, {1: np.ones(3)}) is None


def run_of(speedup: float, spread: float = 1.1, n_rounds: int = 6) -> Ratio:
    ends = (speedup / spread, speedup * spread) if n_rounds >= 6 else (math.nan, math.nan)
    return Ratio(speedup, *ends, (speedup,) * n_rounds)


def test_several_runs_show_all_their_ratios_and_the_widest_ends():
    both = combined([[run_of(3.6)], [run_of(3.0, 1.3)]])
    assert both.runs == (3.6, 3.0)
    assert both.speedup == pytest.approx((3.6 * 3.0) ** 0.5)
    assert (both.low, both.high) == pytest.approx((3.0 / 1.3, 3.6 * 1.1))


def test_from_four_sessions_on_their_spread_makes_the_interval():
    four = combined([[run_of(x)] for x in (2.0, 2.2, 1.8, 2.1)])
    logs = np.log([2.0, 2.2, 1.8, 2.1])
    reach = 3.1824 * logs.std(ddof=1) / 2  # Student's quantile with three degrees of freedom
    assert (np.log(four.low), np.log(four.high)) == pytest.approx((logs.mean() - reach, logs.mean() + reach), abs=1e-4)


def test_the_runs_of_one_session_are_one_observation():
    ratio = combined([[run_of(x) for x in (2.0, 2.2, 1.8, 2.1)], [run_of(4.0)]])
    assert ratio.runs == (2.0, 2.2, 1.8, 2.1, 4.0)
    assert ratio.speedup == pytest.approx(((2.0 * 2.2 * 1.8 * 2.1) ** 0.25 * 4.0) ** 0.5)
    assert (ratio.low, ratio.high) == pytest.approx((1.8 / 1.1, 4.0 * 1.1))


def test_a_session_goes_on_until_an_hour_passes_without_a_run():
    day = datetime(2026, 1, 1, tzinfo=UTC)
    starts = [day + timedelta(hours=hours) for hours in (1.7, 0, 0.6, 2.8)]
    assert sessions(starts, lambda start: start) == [[starts[1], starts[2]], [starts[0]], [starts[3]]]


def test_runs_of_few_rounds_count_only_where_there_is_no_other():
    assert combined([[run_of(9.0, n_rounds=1), run_of(3.0)]]) == run_of(3.0)
    few = combined([[run_of(9.0, n_rounds=1)], [run_of(4.0, n_rounds=2)]])
    assert few.runs == (9.0, 4.0) and math.isnan(few.low) and not few.has_interval


def test_ratios_are_formed_within_one_run():
    assert [*ratios("numpy", *rounds("numpy", [4.0], "run-a"), *rounds("vectorized", [1.0], "run-b"))] == ["numpy"]
    # A second run of one side does not change a ratio that another run holds whole.
    together = [*rounds("numpy", [4.0], "run-a"), *rounds("vectorized", [1.0], "run-a")]
    found = ratios("numpy", *together, *rounds("vectorized", [100.0], "run-b"))
    assert found["vectorized"].speedup == pytest.approx(4.0)


def test_failed_cells_enter_no_ratio():
    failed = rounds("vectorized", [0.1], status="diverged", error_tail="losses leave")
    assert [*ratios("numpy", *rounds("numpy", [4.0]), *failed)] == ["numpy"]


def test_joining_protocols_or_machines_is_refused_with_the_fields():
    six = run_row(variant="vectorized", rounds=6)
    plain, other = cell_summary(*frames((run_row(), [4.0] * 15), (six, [1.0] * 15)))
    with pytest.raises(ResultsError, match="different protocols: rounds 1 against 6"):
        speedup_of(other, plain)
    moved = run_row(variant="vectorized", machine=MACHINE.replace("Haswell", "SkylakeX"))
    plain, other = cell_summary(*frames((run_row(), [4.0] * 15), (moved, [1.0] * 15)))
    with pytest.raises(ResultsError, match="different machines: blas_kernel 'Haswell' against 'SkylakeX'"):
        speedup_of(other, plain)
    assert [pair.cell.variant for pair in speedups([plain, other], "numpy")] == ["numpy"]
