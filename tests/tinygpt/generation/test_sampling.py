"""Choosing a token: the softmax's frequencies, temperature, top-k, ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygpt.generation.sampling import SamplingSettings, choose_token, penalized


def test_frequencies_follow_the_softmax() -> None:
    logits = np.array([1.0, 0.0, -1.0, 2.0], np.float32)
    rng, settings = np.random.default_rng(0), SamplingSettings(1, temperature=2.0)
    counts = np.bincount([choose_token(logits, settings, rng) for _ in range(20_000)], minlength=4)
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum()
    np.testing.assert_allclose(counts / 20_000, expected, atol=0.015)


@given(k=st.integers(1, 8), seed=st.integers(0, 100), temperature=st.floats(1e-3, 50))
def test_top_k_draws_from_the_k_best_alone(k: int, seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).standard_normal(8).astype(np.float32)
    best = set(np.argsort(-logits)[:k].tolist())
    rng = np.random.default_rng(seed)
    settings = SamplingSettings(1, temperature, top_k=k)
    assert {choose_token(logits, settings, rng) for _ in range(20)} <= best


def test_equal_scores_rank_by_id() -> None:
    logits = np.zeros(256, np.float32)
    rng = np.random.default_rng(0)
    assert choose_token(logits, SamplingSettings(1, temperature=0), rng) == 0
    assert {choose_token(logits, SamplingSettings(1, top_k=2), rng) for _ in range(30)} == {0, 1}


def simple_choice(scores: np.ndarray, settings: SamplingSettings, rng: np.random.Generator) -> int:
    """Rank with Python's stable sort, keep the best, take the first whose cumulative probability passes a number."""
    ranked = sorted(range(len(scores)), key=lambda token: -float(scores[token]))[: settings.top_k]
    if settings.temperature == 0:
        return ranked[0]
    gaps = np.array([float(scores[token]) - float(scores[ranked[0]]) for token in ranked])
    with np.errstate(over="ignore"):
        weights = np.exp(gaps / settings.temperature)
    reached = [0.0, *weights.cumsum()]
    nucleus = [w if i == 0 or reached[i] < settings.top_p * reached[-1] else 0 for i, w in enumerate(weights)]
    cumulative = np.where(weights >= settings.min_p, nucleus, 0.0).cumsum()
    threshold = rng.random() * cumulative[-1]
    return next(token for token, reached in zip(ranked, cumulative, strict=True) if reached > threshold)


@given(
    scores=st.lists(st.floats(-1e4, 1e4, width=32) | st.sampled_from([0.0, -0.0, 1.5]), min_size=1, max_size=40),
    k=st.none() | st.integers(1, 256),
    temperature=st.just(0.0) | st.floats(5e-324, 1e-300) | st.floats(1e-3, 50),
    top_p=st.just(1.0) | st.floats(1e-9, 1.0),
    min_p=st.just(0.0) | st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_a_choice_equals_the_simple_form(
    scores: list[float], k: int | None, temperature: float, top_p: float, min_p: float, seed: int
) -> None:
    row, settings = np.array(scores, np.float32), SamplingSettings(1, temperature, k, top_p=top_p, min_p=min_p)
    ours, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
    for _ in range(3):
        assert choose_token(row, settings, ours) == simple_choice(row, settings, theirs)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_p": 0.5}, {0}),  # the best has exactly a half
        ({"top_p": 0.51}, {0, 1}),
        ({"top_p": 1e-9}, {0}),
        ({"min_p": 0.5}, {0, 1}),
        ({"min_p": 1.0}, {0}),
        ({"top_p": 0.9, "min_p": 0.5, "top_k": 3}, {0, 1}),
        ({"top_p": 0.7, "top_k": 2}, {0, 1}),  # of the two, the best has 2/3
        ({"top_p": 0.6, "top_k": 2}, {0}),
    ],
)
def test_top_p_and_min_p_keep_the_best(options: dict[str, Any], kept: set[int]) -> None:
    logits = np.log2([8.0, 4.0, 2.0, 1.0, 1.0]).astype(np.float32)
    rng, settings = np.random.default_rng(0), SamplingSettings(1, temperature=1 / np.log(2), **options)
    assert {choose_token(logits, settings, rng) for _ in range(200)} == kept


def test_the_penalty_lowers_the_scores_of_tokens_that_the_text_has() -> None:
    scores, seen = np.array([2.0, -2.0, 1.0, -1.0], np.float32), np.array([True, True, False, False])
    assert penalized(scores, seen, SamplingSettings(1, repetition_penalty=2)).tolist() == [1.0, -4.0, 1.0, -1.0]
    assert penalized(scores, seen, SamplingSettings(1)) is scores


def test_stop_strings_are_one_text_or_several() -> None:
    assert SamplingSettings(1, stop_strings="né").stops == ("né".encode(),)
    assert SamplingSettings(1, stop_strings=["a", b"\xff"]).stops == (b"a", b"\xff")
    assert hash(SamplingSettings(1, stop_strings=["a"])) == hash(SamplingSettings(1, stop_strings=(b"a",)))
