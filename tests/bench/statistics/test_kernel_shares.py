from __future__ import annotations

import numpy as np
import pytest

from bench.arms.kernel_parts import PARTS
from bench.arms.suites import SUITES
from bench.measuring.cell_rows import kernel_rows
from bench.measuring.process import Outcome
from bench.records.process_rows import Process, RunContext
from bench.records.protocol import benchmark_protocol
from bench.records.provenance import Provenance
from bench.records.publishing import publish
from bench.records.rows import LOCAL, PUBLISHED
from bench.records.store import read_table, table_file, write_tables
from bench.statistics.kernel_shares import form_comparison, part_shares, winner
from bench.terminal.show import print_results
from tests.bench.rows import MACHINE, START, kernels_run


def tables(root):
    return tuple(read_table(name, root) for name in ("runs", "steps", "kernels"))


def test_the_parts_of_a_step_add_up_to_it(results_root):
    write_tables(results_root, "run-k", kernels_run())
    shares = part_shares(*tables(results_root))
    assert [share.part for share in shares] == [*PARTS]
    assert sum(share.share for share in shares) == pytest.approx(1.0)
    by_part = {share.part: share for share in shares}
    product = by_part["product"]
    # Two rounds of equal weight, whose parts take 100 % and 90 % of the example's times: 50 ms and 45 ms of 100 ms.
    assert product.share == pytest.approx(0.475)
    assert (product.share_low, product.share_high) == pytest.approx((0.45, 0.5))
    assert by_part["dispatch"].share == pytest.approx(1 - 0.95 * 0.95)
    # Of the 80 ms that a step takes without a stopwatch, which adds a quarter.
    assert product.seconds == pytest.approx(0.475 * 0.08)
    assert [share.overhead for share in shares] == pytest.approx([0.25] * len(PARTS))
    assert {(share.n_rounds, share.workers) for share in shares} == {(2, 2)}


def test_the_forms_of_a_kernel_are_compared_where_they_lie(results_root):
    write_tables(results_root, "run-k", kernels_run())
    runs, _, kernels = tables(results_root)
    forms = form_comparison(runs, kernels)
    assert len(forms) == 8
    gelu = [form for form in forms if (form.kernel, form.place) == ("gelu", "cache")]
    assert [form.form for form in gelu] == ["numpy", "numexpr"]
    assert [form.nanoseconds.median for form in gelu] == pytest.approx([1.03, 10.3])  # warm-ups left out
    assert gelu[0].ratio is None
    assert gelu[1].ratio.speedup == pytest.approx(0.1)
    assert [form.is_chosen for form in gelu] == [True, False]
    assert winner(gelu) == "NumPy 10.0×"
    adamw = [form for form in forms if form.kernel == "adamw"]
    assert [form.is_chosen for form in adamw] == [False, True, False, True]
    assert [winner(adamw[:2]), winner(adamw[2:])] == ["neither", "NumExpr 1.50×"]


def test_one_run_is_chosen_for_a_preset_and_failures_say_nothing(results_root):
    write_tables(results_root, "run-old", kernels_run("run-old", rounds=3))
    write_tables(results_root, "run-new", kernels_run("run-new", rounds=2))
    failed = kernels_run("run-bad", "tiny", status="crashed", error_tail="x")
    write_tables(results_root, "run-bad", failed)
    shares = part_shares(*tables(results_root))
    assert {share.run.run_id for share in shares} == {"run-old"}, "more rounds come before newer ones"
    assert {share.run.preset for share in shares} == {"small"}


def test_no_rows_no_shares(results_root):
    runs, steps, kernels = tables(results_root)
    assert part_shares(runs, steps, kernels) == []
    assert form_comparison(runs, kernels) == []


def test_rows_are_published_with_their_run(results_root):
    write_tables(results_root, "run-k", kernels_run())
    names = [path.name for path in publish(results_root)]
    assert names == ["steps-run-k.parquet", "kernels-run-k.parquet", "runs-run-k.parquet"]
    assert table_file(results_root, LOCAL, "kernels", "run-k").exists()
    assert set(read_table("kernels", results_root)["origin"]) == {PUBLISHED}


def test_the_terminal_shows_both_tables_within_80_columns(results_root, console):
    for number, preset in enumerate(("tiny", "small", "medium", "large", "xl", "huge")):
        write_tables(results_root, f"run-{number}", kernels_run(f"run-{number}", preset))
    console.width = 80
    print_results(results_root, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    product = [line.split() for line in lines if line.strip().startswith("product")]
    assert product[0][1:] == ["38.0", "48%"] * 5
    assert product[1][1:] == ["38.0", "48%"]
    assert any(line.split()[:1] == ["gelu"] and line.rstrip().endswith("NumPy 10.0×") for line in lines)
    assert "vectorized[threads=2,kernels=numexpr:adamw]" in "".join(lines)


def test_events_become_rows():
    events = (
        {"event": "form", "kernel": "gelu", "form": "numexpr", "place": "memory", "repeat": 2, "is_warmup": False,
         "seconds": 0.5, "elements": 7},
        {"event": "parts", "step": 3, "seconds": 1.0, "parts": np.full((2, len(PARTS)), 0.1).tolist()},
        {"event": "parts", "step": 4, "seconds": 2.0, "parts": np.full((2, len(PARTS)), 0.1).tolist()},
    )  # fmt: skip
    protocol = benchmark_protocol("tiny", "squares", "ab" * 32, 0, 3)
    run = RunContext("run-a", "kernels", Provenance(None, None), MACHINE)
    outcome = Outcome(events, 0, None, None, False, "", START, 1.0)
    rows = list(kernel_rows(Process(run, "kernels", "kernels", "kernels", 0, protocol), outcome))
    assert [row.seconds for row in rows if row.measure == "step"] == [1.0, 2.0]
    assert [row.is_warmup for row in rows if row.measure == "step"] == [True, False]
    parts = [row for row in rows if row.measure == "part"]
    assert len(parts) == 2 * 2 * (len(PARTS) - 1)
    assert {row.worker for row in parts} == {0, 1}
    assert (rows[-1].name, rows[-1].elements) == ("gelu", 7)


def test_the_suites_measure_what_the_figures_need():
    kernels = SUITES["kernels"]
    assert {cell.kind for cell in kernels.cells} == {"kernels"}
    stack = {arm.variant for arm in SUITES["variants"].arms if arm.preset == "large"}
    assert stack == {
        "numpy", "vectorized[threads=1]", "vectorized[team=threads]", "vectorized", "vectorized[kernels=numba]",
        "compiled[threads=1]", "compiled",
    }  # fmt: skip
    assert {arm.rounds for arm in SUITES["variants"].arms if arm.variant != "python"} == {6}
