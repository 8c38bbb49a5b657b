from __future__ import annotations

import pytest

from bench.statistics.cells import cell_summary
from bench.statistics.ratios import Ratio, ratio, speedups
from tests.bench.rows import MACHINE, frames, rounds, run_row
from tinygpt.errors import ResultsError


def ratios(baseline: str, *cells) -> dict[str, Ratio]:
    return {pair.cell.variant: pair.ratio for pair in speedups(cell_summary(*frames(*cells)), baseline)}


def test_ratio_over_rounds_cancels_what_rounds_share():
    drift = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]  # the machine slows down, for both alike
    found = ratios("numpy", *rounds("numpy", [4.0 * d for d in drift]), *rounds("vectorized", drift))
    fast, own = found["vectorized"], found["numpy"]
    assert fast.basis == "rounds"
    assert (fast.speedup, fast.low, fast.high) == pytest.approx((4.0, 4.0, 4.0))
    assert (own.speedup, own.low, own.high) == (1.0, 1.0, 1.0)


def test_ratio_of_few_rounds_takes_the_extremes():
    fast = ratios("python", *rounds("python", [10.0]), *rounds("vectorized", [1.0, 1.0]))["vectorized"]
    assert fast.basis == "steps"
    assert fast.speedup == pytest.approx(10.0)
    assert (fast.low, fast.high) == pytest.approx((9.0 / 1.1, 11.0 / 0.9))


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
        ratio(other, plain)
    moved = run_row(variant="vectorized", machine=MACHINE.replace("Haswell", "SkylakeX"))
    plain, other = cell_summary(*frames((run_row(), [4.0] * 15), (moved, [1.0] * 15)))
    with pytest.raises(ResultsError, match="different machines: blas_kernel 'Haswell' against 'SkylakeX'"):
        ratio(other, plain)
    assert [pair.cell.variant for pair in speedups([plain, other], "numpy")] == ["numpy"]
