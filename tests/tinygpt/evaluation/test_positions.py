"""Loss by position: the same bytes with every length of context, and the length from which nothing is gained."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.errors import ConfigError, CorpusError
from tinygpt.evaluation.inspection import next_token_probabilities
from tinygpt.evaluation.loss import scoring_engine
from tinygpt.evaluation.positions import PositionLosses, loss_by_position
from tinygpt.tokenizers import BYTES

MODEL = random_model()
LENGTH = MODEL.config.context_length
TEXT = (b"Most of the bees kept to the roof; the rest, so it was said, had taken the river road to the mill. " * 3)[
    :257
]


def test_every_loss_is_the_mean_over_the_same_bytes() -> None:
    found = loss_by_position(scoring_engine(MODEL, "numpy"), BYTES.encode(TEXT))
    size = 3 * LENGTH - 1
    count = len(TEXT) // size
    starts = np.linspace(0, len(TEXT) - size, count).astype(int)
    targets = [start + LENGTH + place for start in starts for place in range(LENGTH)]
    assert (found.n_targets, found.n_windows) == (len(targets), count * (2 * LENGTH - 1))
    assert len(found.losses) == LENGTH
    for context in (1, 2, 7, LENGTH):
        p = [next_token_probabilities(MODEL, TEXT[target - context : target])[TEXT[target]] for target in targets]
        assert found.losses[context - 1] == pytest.approx(-np.log(p).mean(), rel=1e-5)


def curve(gains: list[float], error: float) -> PositionLosses:
    losses = tuple(1.5 + gain for gain in gains)
    return PositionLosses(losses, (error,) * len(losses), 100, 100, threshold=0.02)


def test_the_used_context_is_where_the_rest_gains_less_than_the_threshold() -> None:
    gains = [2.0, 1.0, 0.5, 0.2, 0.05, 0.03, 0.015, 0.005] + [0.0] * 8
    assert curve(gains, 0.0).used == 7  # with 7 bytes, 0.015 are left
    assert curve(gains, 0.0).used_between == (7, 7)
    assert curve(gains, 0.006).used_between == (6, 8)
    assert curve(gains, 0.02).used_between == (5, 16)  # too noisy to tell
    assert curve([0.0] * 16, 0.0).used == 1
    assert curve([0.5] * 12 + [0.1] * 2 + [0.0] * 2, 0.0).used == 15


def test_what_cannot_be_measured_is_refused() -> None:
    engine = scoring_engine(MODEL, "numpy")
    with pytest.raises(CorpusError, match="has 9 tokens; allowed: at least"):
        loss_by_position(engine, BYTES.encode(TEXT[:9]))
    for arguments in ({"n_predicted": 0}, {"threshold": 0.0}):
        with pytest.raises(ConfigError):
            loss_by_position(engine, BYTES.encode(TEXT), **arguments)
