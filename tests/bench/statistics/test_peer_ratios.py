from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.statistics.peer_ratios import fastest, generation_standings, training_standings
from bench.terminal.show_peers import print_standings
from tests.bench.rows import run_row, step_rows

KINDS = {"roofline[whole]": "roofline", "roofline[shared]": "roofline", "torch": "peer", "jax-textbook": "peer",
         "torch-compile-mkl-avx512": "peer"}  # fmt: skip


def tables(*cells):
    """``(variant, seconds, changes)`` → the two tables."""
    runs, steps = [], []
    for variant, seconds, changes in cells:
        run = run_row(variant=variant, **({"kind": KINDS.get(variant, "bench")} | changes))
        runs.append(run)
        steps += step_rows(run, [seconds] * 15 if run.status == "ok" else [])
    return (pd.DataFrame(rows).assign(origin="local") for rows in (runs, steps))


def measured(run_id="run-a", ours=0.010, **changes):
    times = {"numpy": 0.08, "vectorized": ours, "torch": 0.025, "torch-compile-mkl-avx512": 0.012, "jax-textbook": 0.03,
             "roofline[whole]": 0.008, "roofline[shared]": 0.006}  # fmt: skip
    return [(variant, seconds, {"run_id": run_id} | changes) for variant, seconds in times.items()]


def test_ratios_shares_and_the_faster_roofline():
    rows = training_standings(*tables(*measured()))
    assert rows["variant"].tolist() == [
        "numpy", "vectorized", "torch", "torch-compile-mkl-avx512", "jax-textbook", "roofline",
    ]  # fmt: skip
    by_variant = rows.set_index("variant")
    assert by_variant.loc["torch", "speedup"] == pytest.approx(2.5)
    assert by_variant.loc["roofline", "seconds"] == pytest.approx(0.006)
    assert by_variant.loc["vectorized", "share"] == pytest.approx(0.6)
    assert by_variant.loc["torch", "share"] == pytest.approx(0.24)
    assert fastest(rows, ("torch", "torch-compile-mkl-avx512", "torch-compile"))["seconds"] == pytest.approx(0.012)
    assert fastest(rows, ("transformers",)) is None


def test_one_run_speaks_and_its_rivals_come_along():
    old = measured(ours=0.010)
    new = measured("run-b", ours=0.005)
    rows = training_standings(*tables(*old, *new))
    assert set(rows["run_id"]) == {"run-b"}
    assert rows.set_index("variant").loc["torch", "speedup"] == pytest.approx(5.0)
    fewer = [cell for cell in measured("run-d") if cell[0] != "jax-textbook"]
    assert set(training_standings(*tables(*old, *fewer))["run_id"]) == {"run-a"}
    # A newer run without our own engine compares nothing, and so does not speak.
    rivals_only = [cell for cell in measured("run-c") if cell[0] != "vectorized"]
    assert set(training_standings(*tables(*old, *rivals_only))["run_id"]) == {"run-a"}


def test_a_rival_that_was_refused_stays_with_its_reason(console):
    refused = ("torch", math.nan, {"status": "refused", "error_tail": "torch is not installed; run: pip"})
    cells = [cell for cell in measured() if cell[0] != "torch"]
    runs, steps = tables(*cells, refused)
    row = training_standings(runs, steps).set_index("variant").loc["torch"]
    assert math.isnan(row["speedup"])
    assert row["reason"] == "torch is not installed; run: pip"
    print_standings(console, runs, steps)
    text = console.file.getvalue()
    assert "refused" in text
    assert "torch at tiny: torch is not installed; run: pip" in text
    assert "60%" in text
    assert "1.20×" in text  # over PyTorch's best, which is the overridden one


def test_runs_without_rivals_are_no_standing(console):
    runs, steps = tables(("numpy", 0.08, {}), ("vectorized", 0.01, {}))
    assert training_standings(runs, steps).empty
    print_standings(console, runs, steps)
    assert console.file.getvalue() == ""


def test_generation_counts_tokens(console):
    runs, steps = tables(
        ("vectorized", 0.128, {"kind": "generation", "tokens_per_step": 256}),
        ("torch", 0.256, {"kind": "generation", "tokens_per_step": 256}),
        ("jax[device=cpu]", 0.064, {"kind": "generation", "tokens_per_step": 256}),
    )
    rows = generation_standings(runs, steps).set_index("variant")
    assert rows.loc["vectorized", "tokens_per_second"] == pytest.approx(2000)
    assert rows["speedup"].to_dict() == pytest.approx({"vectorized": 1.0, "jax[device=cpu]": 0.5, "torch": 2.0})
    print_standings(console, runs, steps)
    assert "4,000" in console.file.getvalue()
    assert "2,000" in console.file.getvalue()
