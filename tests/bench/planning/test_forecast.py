"""Forecasts: spreads that grow with distance, a reach, intervals that hold on record, and words for doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.planning.forecast import (
    BORROWED_REACH,
    NOMINAL,
    OWN_REACH,
    CannotTell,
    Forecast,
    Miss,
    Rates,
    TrainedRun,
    differences_of_texts,
    fit_rates,
    forecast,
    left_out_spreads,
    misses_on_record,
    trained_runs,
)
from bench.planning.loss_curve import fit_loss_curve
from bench.records.store import read_table
from tinygpt.presets import PRESETS
from tinygpt.schedule import optimizer_text

RATES = Rates(beyond=0.1, size=0.05)
RESULTS = Path(__file__).parents[3] / "results"


def recorded(preset: str, end: float, tau: float = 1.8e6, bend: float = 0.0, noise: float = 0.0) -> TrainedRun:
    """A run with ten evaluations of a known curve, which falls by ``bend`` in its middle."""
    tokens = np.linspace(end / 10, end, 10)
    losses = 1.5 + 1.1 / (1 + (tokens / tau) ** 1.2) - bend * (tokens > end / 2)
    losses += noise * np.random.default_rng(0).standard_normal(10)
    early = tuple((at, 3.0 + at / end) for at in (end / 1000, end / 100))
    curves = [fit_loss_curve(tokens[:count], losses[:count], early) for count in (5, 7, 10)]
    train = PRESETS[preset].train
    recipe = (train.learning_rate, optimizer_text(train), True)
    found = tuple(curve for curve in curves if curve)
    return TrainedRun(f"{preset}-{end:g}", preset, "squares", recipe, (*tokens,), (*losses,), found)


SMALL, LARGE = recorded("small", 4e6), recorded("large", 3e6, tau=1.4e6)
SOURCES = {"own": ([SMALL], "small"), "borrowed": ([SMALL], "medium"), "several": ([LARGE, SMALL], "medium")}


def spread(runs: list[TrainedRun], preset: str, tokens: float) -> float:
    found = forecast(runs, RATES, preset, "squares", tokens)
    return found.spread if isinstance(found, Forecast) else float("inf")


@pytest.mark.parametrize("kind", SOURCES)
@given(st.floats(0.1, 40), st.floats(0.1, 40))
def test_the_spread_never_shrinks_with_tokens_from_the_first_evaluation_on(kind, one, other):
    near, far = sorted((one, other))
    runs, preset = SOURCES[kind]
    assert spread(runs, preset, near * 4e6) <= spread(runs, preset, far * 4e6)


@given(st.floats(0, 6), st.floats(0, 6), st.sampled_from(["small", "medium"]), st.booleans())
def test_the_spread_never_shrinks_with_the_distance_from_the_nearest_evaluation(one, other, preset, before):
    near, far = sorted((one, other))
    edge, way = (4e5, -1) if before else (4e6, 1)
    assert spread([SMALL], preset, edge * 2.0 ** (way * near)) <= spread([SMALL], preset, edge * 2.0 ** (way * far))


def test_before_the_first_evaluation_the_spread_is_wider_than_the_curves_residual():
    assert spread([SMALL], "small", 5e4) == pytest.approx(SMALL.curves[-1].residual + 3 * RATES.beyond)


def test_no_borrowed_curve_reaches_beyond_four_times_its_tokens():
    assert BORROWED_REACH == 4.0
    assert isinstance(forecast([SMALL], RATES, "medium", "squares", 15.9e6), Forecast)
    refused = forecast([SMALL], RATES, "medium", "squares", 40e6)
    assert isinstance(refused, CannotTell)
    assert "10 times the tokens of the run of small, whose curve holds to 4 times" in refused.reason
    steps = int(refused.command.split("--steps ")[1].split()[0])
    assert refused.command.startswith("invoke train --preset medium --corpus squares --recipe constant --steps ")
    own = recorded("medium", steps * PRESETS["medium"].tokens_per_step)
    helped = forecast([SMALL, own], RATES, "medium", "squares", 40e6)
    assert isinstance(helped, Forecast) and helped.source == "medium", "the command records a run that reaches"


def test_a_run_of_the_preset_itself_reaches_further():
    assert isinstance(forecast([SMALL], RATES, "small", "squares", OWN_REACH * 4e6), Forecast)
    assert isinstance(forecast([SMALL], RATES, "small", "squares", OWN_REACH * 4.1e6), CannotTell)


def test_a_borrowed_curve_costs_what_the_sizes_cost_on_record():
    own, borrowed = (forecast([SMALL], RATES, preset, "squares", 2e6) for preset in ("small", "medium"))
    assert isinstance(own, Forecast) and isinstance(borrowed, Forecast)
    ratio = PRESETS["medium"].model.n_parameters / PRESETS["small"].model.n_parameters
    assert borrowed.spread - own.spread == pytest.approx(RATES.size * np.log2(ratio))
    silent = forecast([SMALL], fit_rates(misses_on_record([SMALL])), "medium", "squares", 2e6)
    assert isinstance(silent, CannotTell) and "no two presets" in silent.reason
    elsewhere = forecast([SMALL], RATES, "small", "circles", 2e6)
    assert isinstance(elsewhere, CannotTell) and "no run on circles" in elsewhere.reason


def test_a_run_that_bends_raises_the_cost_of_distance():
    straight, bent = (fit_rates(misses_on_record([recorded("small", 4e6, bend=bend)])) for bend in (0.0, 0.3))
    assert straight.beyond < 0.05 and bent.beyond > 0.2


def test_a_noisy_run_still_holds_the_loss_at_four_times_its_tokens():
    run = recorded("small", 4e6, noise=0.01)
    found = forecast([run], fit_rates(misses_on_record([run])), "small", "squares", 16e6)
    assert isinstance(found, Forecast)
    assert abs(found.loss - 1.5 - 1.1 / (1 + (16e6 / 1.8e6) ** 1.2)) <= found.spread


def test_presets_of_nearly_one_size_do_not_inflate_the_cost_of_size():
    twins = [recorded("massive", 4e6), recorded("mega", 4e6, tau=1.4e6)]
    misses = misses_on_record(twins)
    assert {miss.doublings for miss in misses if miss.source != miss.target} == {1.0}
    assert fit_rates(misses).size < 0.2


def test_many_runs_state_nine_of_ten_errors_and_few_runs_all():
    misses = [Miss(f"run-{n}", f"run-{n}", 0.0, 1.0, n / 20, 0.0) for n in range(1, 21)]
    assert fit_rates(misses).beyond == pytest.approx(NOMINAL, abs=0.051)
    assert fit_rates(misses[:9]).beyond == 9 / 20


def test_an_interval_wider_than_what_the_tokens_buy_is_said():
    vague = Forecast(1.49, 0.24, "small", stretch=9.8, bought=0.29)
    assert vague.caveat == "the tokens beyond that run's end buy 0.29, less than the 0.48 it spans"
    assert not Forecast(1.49, 0.1, "small", stretch=9.8, bought=0.29).caveat
    assert not Forecast(1.49, 0.24, "small").caveat, "inside the run nothing is bought beyond its end"
    found = forecast([SMALL], Rates(0.07, 0.05), "small", "squares", 40e6)
    assert isinstance(found, Forecast) and found.caveat and found.bought > 0.1


@pytest.fixture(scope="module")
def everything() -> list[TrainedRun]:
    return trained_runs(read_table("runs", RESULTS), read_table("steps", RESULTS), falling=True)


@pytest.fixture(scope="module")
def published(everything) -> list[TrainedRun]:
    return [run for run in everything if "cosine" not in str(run.recipe)]


def test_the_truths_on_record_are_inside_the_stated_intervals(published):
    stated = left_out_spreads(misses_on_record(published))
    for borrowed, beyond in ((False, True), (True, False), (True, True)):
        inside = [
            miss.error <= wide for miss, wide in stated if (miss.doublings > 0, miss.distance > 0) == (borrowed, beyond)
        ]
        most = 0.995 if len(inside) > 60 else 1.0  # of a few, all may be inside
        assert 0.85 <= np.mean(inside) <= most, (borrowed, beyond, len(inside))


def test_a_left_out_run_is_inside_the_forecast_of_the_others(published):
    """The forecast itself, which takes the narrowest interval: each run that a preset's settings trained, left out."""
    inside = []
    for run in published:
        rest = [other for other in published if other is not run]
        rates = fit_rates(misses_on_record(rest))
        if run.recipe != (PRESETS[run.preset].train.learning_rate, optimizer_text(PRESETS[run.preset].train), True):
            continue
        for tokens, truth in zip(run.tokens, run.losses, strict=True):
            found = forecast(rest, rates, run.preset, run.corpus, tokens)
            if isinstance(found, Forecast):
                inside.append(abs(found.loss - truth) <= found.spread)
    assert len(inside) > 25 and np.mean(inside) >= 0.8


def test_texts_differ_by_more_than_presets(everything, published):
    differences = [error for _, error in differences_of_texts(everything)]
    presets = [miss.error for miss in misses_on_record(published) if miss.doublings and not miss.distance]
    assert np.median(differences) > 2 * np.median(presets)
