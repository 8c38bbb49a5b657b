"""Generation from weights in fewer bytes: the scores of the rounded weights, in every form."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import MODEL, random_model, slow_logits
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.errors import ConfigError
from tinygpt.generation.decoding import generate, generate_batch
from tinygpt.generation.inference import BatchCache, InferenceModel, KeyValueCache, coding
from tinygpt.rounding import ROUNDINGS, rounded

TOKENS = np.random.default_rng(0).integers(0, 256, MODEL.context_length)
PROMPTS = ["a", b"sixteen bytes ok", "", "abc", b"a"]


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model()


@pytest.fixture(params=ROUNDINGS)
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_scores_are_those_of_the_rounded_weights(
    model: Checkpoint, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = slow_logits(replace(model, weights=rounded(model.weights, precision)), TOKENS.tolist())
    assert 1e-3 < np.abs(slow - slow_logits(model, TOKENS.tolist())).max() < 1  # rounding does something, and not much
    monkeypatch.setattr(coding, "_TILE", 40)  # several tiles, and the last one smaller
    reader = InferenceModel(model, compiled=False, precision=precision)
    np.testing.assert_allclose(reader.extend(TOKENS, KeyValueCache(MODEL)), slow, atol=1e-4)
    cache = BatchCache(MODEL, 2)
    reader.read(TOKENS[:5], cache.rows[0])
    together = [reader.step_batch(TOKENS[[place, place - 5]], cache) for place in range(5, 9)]
    np.testing.assert_allclose(np.array(together)[:, 0], slow[5:9], atol=1e-4)
    np.testing.assert_allclose(np.array(together)[:, 1], slow[:4], atol=1e-4)


def test_weights_that_are_rounded_already_have_the_same_codes(model: Checkpoint, precision: str) -> None:
    again = replace(model, weights=rounded(model.weights, precision))
    first, second = (coding.encode(source, precision) for source in (model, again))
    np.testing.assert_array_equal(first.arena, second.arena)
    np.testing.assert_allclose(first.vectors, second.vectors, rtol=1e-6, atol=1e-6)


def test_an_unknown_precision_is_named(model: Checkpoint) -> None:
    with pytest.raises(ConfigError, match="unknown precision 'int7' \\(did you mean 'int8'"):
        InferenceModel(model, compiled=False, precision="int7")


# ---- in the compiled loop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", [b"x", b"sixteen bytes ok"])
def test_it_writes_the_bytes_of_the_numpy_loop(model: Checkpoint, precision: str, prompt: bytes) -> None:
    pytest.importorskip("numba")
    texts = [
        list(generate(InferenceModel(model, threads, compiled, precision), prompt, 45, 0.8, 5, seed=3))
        for threads, compiled in ((1, False), (1, True), (3, True))
    ]
    assert texts[0] == texts[1] == texts[2] and len(set(texts[0])) > 1


def test_threads_that_share_a_row_change_no_bit(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads share each product of one row, then four the products of two rows each; float32 and int8."""
    pytest.importorskip("numba")
    monkeypatch.setattr("tinygpt.generation.inference.folding.STREAMED_BYTES", 0)
    for precision, (rows, threads) in itertools.product(("float32", "int8"), ((1, 3), (2, 4))):
        alone, together = (
            list(map(list, generate_batch(InferenceModel(model, number, True, precision), PROMPTS[:rows], 40, seed=7)))
            for number in (1, threads)
        )
        assert alone == together
