"""Expected ends of runs: between recorded lengths, no further than the record reaches, and from a run's own way."""

from __future__ import annotations

import math

import pytest

from bench.planning.final_losses import EndOfRun, forecast_end, outlook
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


def test_beyond_twice_the_longest_run_the_record_cannot_tell() -> None:
    near = forecast_end(ENDS, "small", "fables", 3e6)
    assert isinstance(near, Forecast) and near.loss < 1.7 and near.stretch > 1.8
    for tokens in (3.3e6, 4e4):
        far = forecast_end(ENDS, "small", "fables", tokens)
        assert isinstance(far, CannotTell) and "100,000 to 1,600,000 tokens" in far.reason
    for preset, corpus in (("medium", "fables"), ("small", "x"), ("small", "never seen")):
        assert isinstance(forecast_end(ENDS, preset, corpus, 4e5), CannotTell)


def test_a_run_s_own_way_says_how_it_ends() -> None:
    ends = [end(1e5, 1.0, _2=ratio) for ratio in (1.25, 1.28, 1.3)]
    found = outlook(ends, 0.21, 1e5)
    assert found is not None
    assert found.ratio == pytest.approx(1 / 1.28)
    assert found.miss == pytest.approx(1 / 1.25 - 1 / 1.28)
    assert outlook(ends[:2], 0.2, 1e5) is None and outlook(ends, 0.5, 1e5) is None
    assert outlook(ends, 0.2, 2.1e5) is None, "a longer run falls less on the rest of its way"
