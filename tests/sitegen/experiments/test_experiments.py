"""The experiments of docs/learn: what they compute is what the library computes, and what the pages say of it holds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sitegen.experiments.depth import DEEP, deviation, length, likeness, trained, untrained, walk
from sitegen.experiments.heads import heads
from sitegen.experiments.scores import POSITIONS, WIDTHS, random_scores
from sitegen.experiments.updates import distance_at_the_end, dropout_of_ones, first_update_share
from tinygpt.config import TrainConfig
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.params import initial_parameters


def test_a_walk_is_the_engines_forward_and_backward() -> None:
    weights = initial_parameters(DEEP, seed=3)
    tokens = np.random.default_rng(0).integers(0, 256, (2, DEEP.context_length + 1))
    found = walk(DEEP, weights, tokens)
    engine = NumpyEngine.create(DEEP, TrainConfig(2), weights=weights)
    loss, gradients = engine.loss_and_gradients(tokens[:, :-1], tokens[:, 1:])
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert found.gradient[0].sum(axis=0) == pytest.approx(gradients["wpe.weight"], abs=1e-6)
    assert len(found.stream) == len(found.gradient) == len(found.added) + 1 == 2 * DEEP.n_layers + 1


def test_the_gradient_of_a_stream_is_what_comes_from_above_and_what_its_branch_adds() -> None:
    found = trained()
    for depth, added in enumerate(found.added):
        assert found.gradient[depth] == pytest.approx(found.gradient[depth + 1] + added)
    assert found.loss < 2.5  # two lines that it predicts


def test_what_the_pages_say_of_depth() -> None:
    plain, scaled = untrained(scaled=False), untrained()
    growth = [deviation(found.stream[-1]) / deviation(found.stream[0]) for found in (plain, scaled)]
    assert growth[0] > 3 and growth[1] < 1.5
    back = [length(found.gradient[0]) / length(found.gradient[-1]) for found in (plain, scaled)]
    assert back[0] > 2 * back[1] > 2
    bare, norms = untrained(False, False), untrained(False)
    assert 0 < length(bare.gradient[0]) < np.finfo(np.float32).smallest_subnormal
    assert length(norms.gradient[0]) > 0.1  # it does not vanish
    assert likeness(norms.stream[-1]) > 0.99
    assert likeness(scaled.stream[-1]) < 0.2


def test_the_first_loss_is_the_vocabularys_and_half_the_variance_of_the_scores() -> None:
    assert untrained(std=0.02).loss == pytest.approx(math.log(256) + 64 * 0.02**2 / 2, abs=0.05)
    assert untrained(std=0.2).loss == pytest.approx(math.log(256) + 64 * 0.2**2 / 2, abs=0.5)
    assert untrained(std=1.0).loss > 10


@pytest.mark.parametrize("width", WIDTHS)
def test_scores_have_the_deviation_of_their_derivation(width: int) -> None:
    assert random_scores(width, True).deviation == pytest.approx(1, rel=0.03)
    assert random_scores(width, False).deviation == pytest.approx(math.sqrt(width), rel=0.03)
    assert random_scores(width, False).slope < random_scores(width, True).slope
    assert 1 <= random_scores(width, False).positions < random_scores(width, True).positions <= POSITIONS


def test_the_heads_of_a_trained_model_look_at_different_places() -> None:
    near, far = (choose(heads(), key=lambda head: head.distance) for choose in (min, max))
    assert near.distance < 3 < 10 < far.distance
    assert near.previous > 0.5


def test_updates_and_masks_do_what_the_formulas_say() -> None:
    assert first_update_share(3e-3) == pytest.approx(3e-3 / 0.02, rel=0.1)
    assert distance_at_the_end(True) < 0.7 * distance_at_the_end(False)
    dropped = dropout_of_ones(0.2)
    assert (dropped.share, dropped.mean, dropped.deviation) == pytest.approx((0.2, 1.0, 0.5), abs=0.005)
