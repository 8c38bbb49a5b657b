"""Expected ends of runs: between recorded lengths, no further than the record reaches, and from a run's own way."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bench.planning.final_losses import EndOfRun, forecast_end, left_out_outlooks, outlook
from bench.planning.forecast import CannotTell, Forecast


def end(tokens: float, loss: float, preset: str = "small", corpus: str = "fables", **ways: float) -> EndOfRun:
    return EndOfRun(
        preset, corpus, tokens, loss, {float(part.replace("_", "0.")): ratio for part, ratio in ways.items()}
    )


ENDS = [
    end(1e5, 2.4),
    end(4e5, 2.0),
    end(4.1e5, 2.02),
    end(1.6e6, 1.7),
    end(4e5, 9.0, "medium"),
    end(4e5, 9.0, corpus="x"),
]


def test_a_loss_between_two_lengths_is_on_the_line_between_them_over_the_logarithm() -> None:
    found = forecast_end(ENDS, "small", "fables", 8e5)
    assert isinstance(found, Forecast)
    assert found.loss == pytest.approx((2.01 + 1.7) / 2, abs=0.01)
    left_out = abs((2.4 + 1.7) / 2 - 2.01)
    assert found.spread == pytest.approx(2 * 0.02 / math.sqrt(2) + left_out, abs=0.01)
    assert (found.source, found.stretch) == ("small", 1.0)


def test_beyond_four_times_the_longest_run_the_record_cannot_tell() -> None:
    near = forecast_end(ENDS, "small", "fables", 3.2e6)
    assert isinstance(near, Forecast) and near.stretch == pytest.approx(2.0)
    assert near.loss == pytest.approx(1.7 - 0.155, abs=0.01)
    inside = forecast_end(ENDS, "small", "fables", 1.6e6)
    assert isinstance(inside, Forecast)
    assert near.spread - inside.spread == pytest.approx(1.7 - near.loss), "from no further gain to twice the gain"
    for tokens in (6.5e6, 2e4):
        far = forecast_end(ENDS, "small", "fables", tokens)
        assert isinstance(far, CannotTell) and "100,000 to 1,600,000 tokens" in far.reason
    assert isinstance(forecast_end(ENDS, "small", "never seen", 4e5), CannotTell)


def test_a_single_length_is_extended_by_the_slope_of_other_presets() -> None:
    found = forecast_end(ENDS, "medium", "fables", 8e5)
    slope = (2.01 - 1.7) / math.log2(1.6e6 / 4.05e5)
    assert isinstance(found, Forecast)
    assert found.loss == pytest.approx(9.0 - slope, abs=0.01)
    assert found.spread == pytest.approx(0.02 + slope, abs=0.01)
    alone = forecast_end([end(4e5, 9.0)], "small", "fables", 4e5)
    assert isinstance(alone, CannotTell) and "a single length" in alone.reason


def test_a_run_s_own_way_says_how_it_ends() -> None:
    ends = [end(1e5, 1.0, _2=ratio) for ratio in (1.25, 1.28, 1.3)]
    found = outlook(ends, 0.21, 1e5)
    assert found is not None
    assert found.ratio == pytest.approx(1 / 1.28)
    assert found.miss == pytest.approx(1 / 1.25 - 1 / 1.28)
    assert outlook(ends[:2], 0.2, 1e5) is None and outlook(ends, 0.5, 1e5) is None
    assert outlook(ends, 0.2, 4.1e5) is None, "a longer run falls less on the rest of its way"


def test_the_runs_of_the_most_similar_length_show_the_way() -> None:
    near = [end(1e5, 1.0, _2=1.2) for _ in range(5)]
    far = [end(3e5, 1.0, _2=9.0) for _ in range(5)]
    found = outlook([*far, *near], 0.2, 1.1e5)
    assert found is not None and found.ratio == pytest.approx(1 / 1.2)


def test_the_outlook_s_error_is_that_of_a_run_that_is_left_out() -> None:
    ends = [replace(end(1e5, 2.0, _2=1.25), run_id=str(number)) for number in range(3)]
    odd = replace(end(1e5, 2.0, _2=1.5), run_id="odd")
    found = {run_id: (error, spread) for run_id, error, spread in left_out_outlooks([*ends, odd], 0.2)}
    assert found["odd"] == pytest.approx((3.0 / 1.25 - 2.0, 0.0))
    assert found["0"][0] == pytest.approx(0.0) and found["0"][1] > 0.0
