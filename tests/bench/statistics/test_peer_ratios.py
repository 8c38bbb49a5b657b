from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.statistics.noise import cell_verdict
from bench.statistics.peer_ratios import fastest, generation_ratios, training_ratios
from bench.terminal.show_peers import print_peers
from tests.bench.rows import frames, rounds, run_row, step_rows

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


def of(variant, rows):
    return next(row for row in rows if row.cell.variant == variant)


def run_ids(*cells):
    return {row.cell.run_id for row in training_ratios(*tables(*cells))}


def test_ratios_shares_and_the_faster_roofline():
    rows = training_ratios(*tables(*measured()))
    assert [row.cell.variant for row in rows] == [
        "numpy", "vectorized", "torch", "torch-compile-mkl-avx512", "jax-textbook", "roofline",
    ]  # fmt: skip
    assert of("torch", rows).speedup == pytest.approx(2.5)
    assert of("roofline", rows).cell.seconds.median == pytest.approx(0.006)
    assert of("vectorized", rows).share == pytest.approx(0.6)
    assert of("torch", rows).share == pytest.approx(0.24)
    best = fastest(rows, ("torch", "torch-compile-mkl-avx512", "torch-compile"))
    assert best.cell.seconds.median == pytest.approx(0.012)
    assert fastest(rows, ("transformers",)) is None


@pytest.mark.parametrize(("seconds", "ours"), [(0.005, "compiled"), (0.020, "vectorized")])
def test_peers_are_compared_with_the_fastest_of_our_engines(seconds, ours):
    rows = training_ratios(*tables(*measured(), ("compiled", seconds, {"run_id": "run-a"})))
    assert {row.ours for row in rows} == {ours}
    times = {"compiled": seconds, "vectorized": 0.010}
    assert of("torch", rows).speedup == pytest.approx(0.025 / times[ours])
    [slower] = times.keys() - {ours}
    assert of(slower, rows).speedup == pytest.approx(times[slower] / times[ours])


def test_a_share_divides_the_best_products_by_every_round_of_the_step():
    ours = [0.010, 0.012, 0.010, 0.015, 0.012, 0.008]
    cells = [
        *rounds("roofline[shared]", [0.007, 0.006, 0.008, 0.009], kind="roofline"),
        *rounds("roofline[whole]", [0.010], kind="roofline"),
        *rounds("torch", [0.020], kind="peer"),
        *rounds("vectorized", ours),
    ]
    rows = training_ratios(*frames(*cells))
    products, share = of("roofline", rows).cell, of("vectorized", rows).of_roofline
    assert (products.seconds.median, products.rounds) == (0.006, (0.006, 0.007, 0.008, 0.009))
    assert math.isnan(products.seconds.low) and cell_verdict(products) == "best round"
    assert share.rounds == pytest.approx([0.006 / seconds for seconds in ours])
    assert (share.speedup, share.low, share.high) == pytest.approx((6 / 120**0.5, 0.4, 0.75))
    assert of("roofline", rows).ratio == share


def test_one_run_is_chosen_and_its_peers_come_along():
    old = measured(ours=0.010)
    new = measured("run-b", ours=0.005)
    assert run_ids(*old, *new) == {"run-b"}
    assert of("torch", training_ratios(*tables(*old, *new))).ratio.runs == pytest.approx((2.5, 5.0))
    fewer = [cell for cell in measured("run-d") if cell[0] != "jax-textbook"]
    assert run_ids(*old, *fewer) == {"run-a"}
    # A newer run without our own engine compares nothing, and is not chosen.
    peers_only = [cell for cell in measured("run-c") if cell[0] != "vectorized"]
    assert run_ids(*old, *peers_only) == {"run-a"}


def test_a_peer_that_the_chosen_run_lacks_comes_from_one_that_has_it_beside_the_same_engine():
    chosen = [cell for cell in measured("run-b") if cell[0] != "jax-textbook"]
    compiled = [("compiled", seconds, {"run_id": run}) for run, seconds in (("run-a", 0.006), ("run-b", 0.005))]
    beside = [("numpy", 0.09, {"run_id": "run-a"}), ("jax-textbook", 0.030, {"run_id": "run-a"})]
    slower = [("vectorized", 0.010, {"run_id": "run-c"}), ("torch-tuned", 0.020, {"run_id": "run-c", "kind": "peer"})]
    rows = training_ratios(*tables(*chosen, *compiled, *beside, *slower))
    assert of("jax-textbook", rows).speedup == pytest.approx(5.0)
    runs = {row.cell.variant: row.cell.run_id for row in rows}
    assert runs.pop("jax-textbook") == "run-a" and set(runs.values()) == {"run-b"}
    assert "torch-tuned" not in runs  # it was measured beside another engine of ours


def test_the_fastest_peer_of_several_runs_is_that_with_the_best_ratio():
    run = measured("run-a")
    slow_hour = [
        ("vectorized", 0.020, {"run_id": "run-b"}),
        ("torch-tuned", 0.022, {"run_id": "run-b", "kind": "peer"}),
    ]
    rows = training_ratios(*tables(*run, *slow_hour))
    assert fastest(rows, ("torch-compile-mkl-avx512", "torch-tuned")).cell.variant == "torch-tuned"


def test_a_peer_that_was_refused_stays_with_its_reason(console):
    refused = ("torch", math.nan, {"status": "refused", "error_tail": "torch is not installed; run: pip"})
    cells = [cell for cell in measured() if cell[0] != "torch"]
    runs, steps = tables(*cells, refused)
    row = of("torch", training_ratios(runs, steps))
    assert math.isnan(row.speedup)
    assert row.reason == "torch is not installed; run: pip"
    print_peers(console, runs, steps)
    text = console.file.getvalue()
    assert "refused" in text
    assert "torch at tiny: torch is not installed; run: pip" in text
    assert "60%" in text
    assert "1.20×" in text  # over PyTorch's best, which is the overridden one


def test_runs_without_peers_compare_nothing(console):
    runs, steps = tables(("numpy", 0.08, {}), ("vectorized", 0.01, {}))
    assert training_ratios(runs, steps) == []
    print_peers(console, runs, steps)
    assert console.file.getvalue() == ""


def test_generation_counts_tokens(console):
    runs, steps = tables(
        ("vectorized", 0.128, {"kind": "generation", "tokens_per_step": 256}),
        ("torch", 0.256, {"kind": "generation", "tokens_per_step": 256}),
        ("jax[device=cpu]", 0.064, {"kind": "generation", "tokens_per_step": 256}),
    )
    rows = generation_ratios(runs, steps)
    assert of("vectorized", rows).cell.tokens_per_second == pytest.approx(2000)
    assert {row.cell.variant: row.speedup for row in rows} == pytest.approx(
        {"vectorized": 1.0, "jax[device=cpu]": 0.5, "torch": 2.0}
    )
    print_peers(console, runs, steps)
    assert "4,000" in console.file.getvalue()
    assert "2,000" in console.file.getvalue()


def test_a_precision_that_the_run_of_the_peers_lacks_comes_from_another_run_beside_the_same_engine():
    written = {"kind": "generation", "tokens_per_step": 256}
    precisions = {name: f"compiled[precision={name}]" for name in ("int8", "bfloat16")}
    alone = {"compiled": 0.100, precisions["int8"]: 0.040, precisions["bfloat16"]: 0.050}
    beside_peers = {"compiled": 0.110, precisions["int8"]: 0.044, "torch": 0.220}
    cells = [(name, time, written | {"run_id": "run-a"}) for name, time in alone.items()]
    cells += [(name, time, written | {"run_id": "run-b"}) for name, time in beside_peers.items()]
    rows = generation_ratios(*tables(*cells))
    assert {row.cell.variant: row.cell.run_id for row in rows} == dict.fromkeys(beside_peers, "run-b") | {
        precisions["bfloat16"]: "run-a"
    }
    assert of(precisions["bfloat16"], rows).speedup == pytest.approx(0.5)
    assert of(precisions["int8"], rows).ratio.runs == pytest.approx((0.4, 0.4))
    assert generation_ratios(*tables(*cells[:3])) == [], "precisions alone are no comparison with peers"


def test_a_loop_that_jax_compiles_is_something_to_compare_with():
    texts = {"kind": "generation", "tokens_per_step": 256}
    times = {"compiled": 0.1, "jax[device=cpu]": 0.3}
    rows = generation_ratios(*tables(*((variant, seconds, texts) for variant, seconds in times.items())))
    assert {row.cell.variant: row.speedup for row in rows} == pytest.approx({"compiled": 1.0, "jax[device=cpu]": 3.0})
    assert generation_ratios(*tables(("compiled", 0.1, texts), ("vectorized", 0.2, texts))) == []
