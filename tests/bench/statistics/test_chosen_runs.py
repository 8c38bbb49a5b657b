"""The chosen run of several: the rules of docs/method.md, one test each."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pandas as pd
import pytest

from bench.records.rows import StepRow
from bench.statistics.cells import cell_summary
from bench.statistics.chosen_runs import (
    chosen_cells,
    chosen_failures,
    chosen_ratios,
    complete_runs,
    counts,
    quoted_origin,
)
from bench.statistics.ratios import speedups
from tests.bench.rows import START, run_row, step_rows


def tables(*cells):
    """Runs and steps of (run_id, day, variant, seconds or None, changes); None is a failure."""
    runs, steps, origins = [], [], []
    for run_id, day, variant, seconds, changes in cells:
        n_rounds = changes.get("n", 1)
        rest = {name: value for name, value in changes.items() if name not in ("n", "origin")}
        for number in range(n_rounds):
            run = run_row(run_id, variant, number=number, started_at=START + timedelta(days=day), **rest)
            runs.append(run)
            origins.append(changes.get("origin", "local"))
            steps += step_rows(run, [seconds] * 15) if seconds else []
    columns = [field.name for field in fields(StepRow)]
    return pd.DataFrame(runs).assign(origin=origins), pd.DataFrame(steps, columns=columns)


TIMEOUT = {"status": "timeout", "error_tail": "limit"}
PUBLISHED = {"origin": "published"}


@pytest.mark.parametrize(
    ("cells", "chosen"),
    [
        ([("a", 0, "numpy", 1.0, {}), ("b", 1, "numpy", 2.0, {})], "b"),
        ([("a", 0, "numpy", 1.0, {"n": 6}), ("b", 1, "numpy", 2.0, {})], "a"),
        ([("a", 0, "numpy", 1.0, {"n": 6}), ("b", 1, "numpy", 2.0, {"n": 6})], "b"),
        ([("a", 0, "numpy", 1.0, {}), ("b", 1, "numpy", None, TIMEOUT)], "a"),
        ([("a", 0, "numpy", None, TIMEOUT), ("b", 1, "numpy", None, TIMEOUT)], "b"),
        ([("a", 0, "numpy", None, TIMEOUT | {"limit_seconds": 600.0}), ("b", 1, "numpy", None, TIMEOUT)], "a"),
        ([("a", 0, "numpy", 1.0, PUBLISHED), ("b", 1, "numpy", 2.0, PUBLISHED | {"dirty": True, "n": 6})], "a"),
        ([("a", 0, "numpy", 1.0, {}), ("b", 1, "numpy", 2.0, {"dirty": True})], "b"),
    ],
    ids=["newest", "rounds before steps", "newest of rounds", "measured before failed", "newest failure",
         "longest timeout", "clean before dirty", "local work in progress"],
)  # fmt: skip
def test_the_chosen_run(cells, chosen):
    assert [cell.run_id for cell in chosen_cells(cell_summary(*tables(*cells)))] == [chosen]


def test_every_place_has_its_own():
    chosen = chosen_cells(
        cell_summary(
            *tables(
                ("a", 0, "numpy", 1.0, {}),
                ("a", 0, "numpy", 1.0, PUBLISHED),
                ("b", 1, "vectorized", 1.0, {}),
                ("c", 2, "numpy", 1.0, {}),
            )
        )
    )
    assert sorted((cell.run_id, cell.origin, cell.variant) for cell in chosen) == [
        ("a", "published", "numpy"), ("b", "local", "vectorized"), ("c", "local", "numpy"),
    ]  # fmt: skip


def failures(*cells):
    runs, steps = tables(*cells)
    return [run.run_id for run in chosen_failures(runs, chosen_cells(cell_summary(runs, steps)))]


def test_failures_that_say_more_than_the_measurement():
    measured = ("b", 1, "numpy", 1.0, {"wall_seconds": 20.0})
    crashed = {"status": "crashed", "error_tail": "SIGSEGV"}
    assert failures(("a", 0, "numpy", None, crashed), measured) == []
    assert failures(measured, ("c", 2, "numpy", None, crashed)) == ["c"]
    assert failures(measured, ("c", 2, "numpy", None, TIMEOUT | {"limit_seconds": 10.0})) == []
    assert failures(measured, ("c", 2, "numpy", None, TIMEOUT | {"limit_seconds": 60.0})) == ["c"]
    assert failures(measured, ("c", 2, "numpy", None, {"status": "interrupted", "error_tail": "by hand"})) == []
    assert failures(("c", 2, "numpy", None, {"status": "interrupted", "error_tail": "by hand"})) == ["c"]


def test_a_pair_comes_from_the_newest_run_that_holds_both():
    summary = cell_summary(
        *tables(
            ("a", 0, "numpy", 3.0, {}), ("a", 0, "vectorized", 1.0, {}),
            ("b", 1, "numpy", 4.0, {}), ("b", 1, "vectorized", 1.0, {}),
            ("c", 2, "vectorized", 0.5, {}),
        )
    )  # fmt: skip
    chosen = {pair.cell.variant: pair for pair in chosen_ratios(speedups(summary, "numpy"))}
    assert chosen["vectorized"].cell.run_id == "b"
    assert chosen["vectorized"].ratio.runs == pytest.approx((3.0, 4.0))  # the older run stays in sight
    assert chosen["vectorized"].ratio.speedup == pytest.approx(12.0**0.5)


def test_nothing_gives_nothing():
    runs, steps = tables(("a", 0, "numpy", 1.0, {"kind": "train"}))
    summary = cell_summary(runs, steps)
    assert chosen_cells(summary) == []
    assert chosen_failures(runs, chosen_cells(summary)) == []
    assert chosen_ratios(speedups(summary, "numpy")) == []


def test_a_stopped_cell_that_was_measured_when_the_run_went_on_is_no_failure():
    stopped = run_row("a", status="interrupted", error_tail="stopped by the user", cell_id="a/numpy/tiny/0")
    again = run_row("a", cell_id="a/numpy/tiny/0/again-1", started_at=START + timedelta(hours=1))
    runs = pd.DataFrame([stopped, again]).assign(origin="local")
    steps = pd.DataFrame([*step_rows(stopped, [9.0] * 2), *step_rows(again, [1.0] * 15)])
    (cell,) = cell_summary(runs, steps)
    assert (cell.status, cell.n_attempts, cell.n_failed, cell.seconds.median) == ("ok", 1, 0, 1.0)
    assert chosen_failures(runs, [cell]) == []


def chosen_of_complete_runs(summary):
    complete = complete_runs(summary)
    return chosen_cells([cell for cell in summary if counts(complete, cell)])


def test_published_rows_are_quoted_where_there_are_any():
    assert [quoted_origin(origins) for origins in ([], ["local"], ["local", "published"])] == [
        "local", "local", "published",
    ]  # fmt: skip


def test_a_complete_run_is_chosen_for_all_that_it_measured():
    def peers(run_id, day, seconds, reference_rounds=2, **changes):
        peer = changes | {"kind": "peer", "n": 2}
        return [
            (run_id, day, "numpy", 4 * seconds, changes | {"n": reference_rounds}),
            (run_id, day, "vectorized", seconds, changes | {"n": 2}),
            (run_id, day, "torch", 2 * seconds, peer),
        ]

    deep = [("deep", 0, "numpy", 9.0, {"n": 6}), ("deep", 0, "vectorized", 1.0, {"n": 6})]
    python = [("slow", 0, "python", 90.0, {}), ("slow", 0, "numpy", 9.0, {})]
    cells = [*deep, *python, *peers("old", 1, 1.0), *peers("new", 2, 2.0), *peers("shallow", 3, 3.0, 1)]
    summary = cell_summary(*tables(*cells), ("bench", "peer"))
    chosen = chosen_of_complete_runs(summary)
    assert {cell.variant: cell.run_id for cell in chosen} == {
        "numpy": "new", "vectorized": "new", "torch": "new", "python": "slow",
    }  # fmt: skip
    complete = complete_runs(summary)
    pairs = [pair for pair in speedups(summary, "numpy") if counts(complete, pair.cell, pair.baseline)]
    ratios = {pair.cell.variant: pair for pair in chosen_ratios(pairs)}
    assert {name: pair.cell.run_id for name, pair in ratios.items()} == {c.variant: c.run_id for c in chosen}
    assert ratios["vectorized"].ratio.speedup == pytest.approx(4.0)


def test_a_quick_look_at_one_peer_does_not_hide_the_others():
    def cells(run_id, day, *names):
        ours = [(run_id, day, name, seconds, {"n": 2}) for name, seconds in (("numpy", 4.0), ("vectorized", 1.0))]
        return [*ours, *((run_id, day, name, 2.0, {"n": 2, "kind": "peer"}) for name in names)]

    summary = cell_summary(
        *tables(*cells("all", 0, "torch", "jax-textbook"), *cells("some", 1, "torch")), ("bench", "peer")
    )
    assert {cell.run_id for cell in chosen_of_complete_runs(summary)} == {"all"}


@pytest.mark.parametrize("rounds", [1, 2], ids=["a round of the reference", "as many rounds"])
def test_without_a_peer_or_a_clean_checkout_no_run_is_complete(rounds):
    dirty = PUBLISHED | {"dirty": True}
    summary = cell_summary(
        *tables(
            ("deep", 0, "numpy", 9.0, PUBLISHED | {"n": 6}),
            ("a", 1, "numpy", 4.0, PUBLISHED | {"n": rounds}), ("a", 1, "vectorized", 1.0, PUBLISHED | {"n": 2}),
            ("b", 2, "numpy", 4.0, dirty | {"n": rounds}), ("b", 2, "vectorized", 1.0, dirty | {"n": 2}),
            ("b", 2, "torch", 2.0, dirty | {"n": 2, "kind": "peer"}),
        ),
        ("bench", "peer"),
    )  # fmt: skip
    assert complete_runs(summary) == {}
