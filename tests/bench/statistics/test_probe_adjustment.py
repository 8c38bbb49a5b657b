from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bench.records.rows import ProbeRow
from bench.statistics.probe_adjustment import (
    DISTURBED,
    adjusted_ratios,
    adjusted_steps,
    relative_probes,
    rounds_to_repeat,
)
from tests.bench.rows import frames, probe_rows, run_row

CALM = 0.003


def measured(rounds, threads=(2, 2)):
    """Tables of two arms, 0.1 and 0.2 s a step, in rounds of (slowdown of the one, of the other)."""
    cells, probes = [], []
    for number, slowdowns in enumerate(rounds):
        for variant, seconds, slowdown, count in zip(
            ("vectorized", "torch"), (0.1, 0.2), slowdowns, threads, strict=True
        ):
            kind = "peer" if variant == "torch" else "bench"
            run = run_row(variant=variant, number=number, rounds=len(rounds), kind=kind)
            cells.append((run, [seconds * slowdown] * 15))
            probes += [replace(row, threads=count) for row in probe_rows(run, [CALM * slowdown] * 7)]
    return *frames(*cells), pd.DataFrame(probes, columns=list(ProbeRow.__dataclass_fields__))


def test_a_slow_machine_is_divided_out_of_a_ratio_and_both_are_kept():
    rounds = [(1, 1), (1, 1), (1, 2), (1, 2), (1, 2), (1, 1.5), (1, 2)]
    (found,) = adjusted_ratios(*measured(rounds))
    assert (found.cell.variant, found.cell.preset) == ("torch", "tiny")
    assert found.ratio.speedup == pytest.approx(4.0)
    assert found.page_faults == 100, "300 in a block of three steps"
    assert (found.adjusted.speedup, found.adjusted.low, found.adjusted.high) == pytest.approx((2.0, 2.0, 2.0))


def test_a_round_is_marked_by_its_probe_alone():
    limit = DISTURBED
    (found,) = adjusted_ratios(*measured([(1, 1), (limit - 0.01,) * 2, (limit + 0.01,) * 2, (1, 1), (3, 3), (1, 1)]))
    assert found.probes == pytest.approx((1, limit - 0.01, limit + 0.01, 1, 3, 1))
    assert found.n_disturbed == 2
    assert found.ratio.n_rounds == found.adjusted.n_rounds == 6, "marked rounds count like the others"
    runs, steps, probes = measured([(1, 1)] * 6)
    steps["seconds"] *= np.where(steps["cell_id"].str.contains("/3$"), 5.0, 1.0)  # slow steps under a calm probe
    assert adjusted_ratios(runs, steps, probes)[0].n_disturbed == 0


def test_at_most_half_of_the_rounds_are_repeated_and_the_most_disturbed_first():
    assert rounds_to_repeat({0: 1.0, 1: DISTURBED, 2: DISTURBED + 0.01, 3: 1.1}) == [2]
    assert rounds_to_repeat({0: 1.0, 1: 1.5, 2: 1.2, 3: 2.0, 4: 1.3, 5: 1.4}) == [1, 3, 5]
    assert rounds_to_repeat({0: 1.0, 1: 9.0, 2: 8.0}) == [1]
    assert rounds_to_repeat({0: 9.0}) == rounds_to_repeat({}) == []


@pytest.mark.parametrize(("by_ratio", "is_fair"), [(False, True), (True, False)])
def test_the_rule_does_not_bias_a_ratio_and_one_that_looks_at_results_does(by_ratio, is_fair):
    """Two equal arms in weather that both feel, one more than the other in its own way: 4000 runs of six rounds."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(4000):
        weather = rng.exponential(0.15, (2, 6))  # of planned rounds, and of those that may replace them
        logs = weather * rng.normal(0.0, 1.0, (2, 6))  # a busy round disturbs the ratio, in either direction
        probes = np.exp(weather[0] - weather[0].min() + rng.normal(0.0, 0.02, 6))
        again = np.flatnonzero(logs[0] < -0.1)[:3] if by_ratio else rounds_to_repeat(dict(enumerate(probes)))
        logs[0, again] = logs[1, again]
        ratios.append(np.median(logs[0]))
    error = np.mean(ratios) / (np.std(ratios) / np.sqrt(len(ratios)))
    assert (abs(error) < 3) == is_fair


def test_the_rule_makes_ratios_less_noisy():
    rng = np.random.default_rng(0)
    before, after = [], []
    for _ in range(2000):
        weather = rng.exponential(0.15, (2, 6))
        logs = weather * rng.normal(0.0, 1.0, (2, 6))
        again = rounds_to_repeat(dict(enumerate(np.exp(weather[0] - weather[0].min()))))
        before.append(np.median(logs[0]))
        logs[0, again] = logs[1, again]
        after.append(np.median(logs[0]))
    assert np.std(after) < 0.9 * np.std(before)


def test_probes_are_compared_among_equal_numbers_of_threads():
    runs, _, probes = measured([(1, 1)] * 6, threads=(2, 1))
    probes.loc[probes["threads"] == 1, ["product_seconds", "copy_seconds"]] *= 0.6
    assert relative_probes(runs, probes)["relative"].tolist() == pytest.approx([1.0] * len(probes))


def test_steps_are_adjusted_by_the_geometric_mean_of_their_cells_probes():
    run, calm = run_row(), run_row(number=1)
    runs, steps = frames((run, [0.1] * 15), (calm, [0.1] * 15))
    # The first probe is before the engine is made.
    probes = pd.DataFrame([*probe_rows(run, [9.0, 2.0, 8.0, 2.0, 8.0, 2.0, 8.0]), *probe_rows(calm, [1.0] * 7)])
    adjusted = adjusted_steps(steps, relative_probes(runs, probes))
    seconds = adjusted[~adjusted["is_warmup"]].groupby("cell_id", sort=False)["seconds"].unique().tolist()
    assert np.concatenate(seconds) == pytest.approx([0.025, 0.1])


def test_a_cell_that_was_killed_before_its_second_probe_is_left_out():
    run = run_row()
    runs, steps = frames((run, [0.1] * 15))
    assert adjusted_steps(steps, relative_probes(runs, pd.DataFrame(probe_rows(run, [1.0])))).empty


def test_a_run_of_failures_has_no_adjusted_ratio():
    runs, steps, probes = measured([(1, 1)] * 6)
    first = probes.groupby("cell_id").head(1)
    assert adjusted_ratios(runs.assign(status="timeout"), steps.iloc[:0], first) == []
    assert adjusted_ratios(runs.assign(status="timeout"), steps.iloc[:0].astype({"cell_id": "str"}), first) == []


def test_rows_without_probes_have_no_adjusted_ratio():
    runs, steps, probes = measured([(1, 1)] * 6)
    assert adjusted_ratios(runs, steps, probes.iloc[:0]) == []
    assert adjusted_ratios(runs, steps, probes[~probes["cell_id"].str.contains("torch")]) == []
    few = adjusted_ratios(runs, steps, probes[~probes["cell_id"].str.contains("/5$")])
    assert few[0].ratio.n_rounds == few[0].adjusted.n_rounds == 5, "both from the rounds that have probes"
