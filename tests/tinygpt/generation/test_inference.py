"""The model for inference: folding, the cache and the passes change only the speed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tests.tinygpt.slow_gpt2 import MODEL, random_model, slow_logits
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError
from tinygpt.generation.inference import BatchCache, InferenceModel, KeyValueCache, folding

TOKENS = np.random.default_rng(0).integers(0, 256, MODEL.context_length)


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model()


@pytest.fixture(params=["input-first", "output-first"])
def reader(model: Checkpoint, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> InferenceModel:
    """Both layouts of the matrices, for a small model."""
    monkeypatch.setattr(folding, "STREAMED_BYTES", 0 if request.param == "output-first" else 1 << 40)
    made = InferenceModel(model)
    assert made.weights.streamed == (request.param == "output-first")
    return made


def scores_after_each(reader: InferenceModel, tokens: np.ndarray) -> np.ndarray:
    """Token by token: (n,) ids → (n, V)."""
    cache = KeyValueCache(reader.config)
    return np.array([reader.step(token, cache).copy() for token in tokens.tolist()])


def test_scores_equal_uncached_ones_at_every_position(model: Checkpoint, reader: InferenceModel) -> None:
    slow = slow_logits(model, TOKENS.tolist())
    assert np.abs(slow).max() > 1, "scores this flat would agree with anything"
    np.testing.assert_allclose(reader.extend(TOKENS, KeyValueCache(MODEL)), slow, atol=1e-4)
    np.testing.assert_allclose(scores_after_each(reader, TOKENS), slow, atol=1e-4)
    for pieces in ([1] * 16, [5, 1, 1, 9], [15, 1], [3, 13]):
        cache, starts = KeyValueCache(MODEL), [0, *itertools.accumulate(pieces)]
        parts = [reader.extend(TOKENS[a:b], cache) for a, b in itertools.pairwise(starts)]
        np.testing.assert_allclose(np.concatenate(parts), slow, atol=1e-4)
        assert cache.length == 16


def test_passes_and_steps_fill_the_same_cache(model: Checkpoint, reader: InferenceModel) -> None:
    slow = slow_logits(model, TOKENS.tolist())
    cache = KeyValueCache(MODEL)
    np.testing.assert_allclose(reader.read(TOKENS[:5], cache), slow[4], atol=1e-4)
    np.testing.assert_allclose(reader.step(int(TOKENS[5]), cache), slow[5], atol=1e-4)
    np.testing.assert_allclose(reader.read(TOKENS[6:9], cache), slow[8], atol=1e-4)
    np.testing.assert_allclose(reader.step(int(TOKENS[9]), cache), slow[9], atol=1e-4)


@pytest.mark.parametrize("together", [True, False])
def test_rows_of_a_batch_are_independent(
    model: Checkpoint, reader: InferenceModel, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    monkeypatch.setattr("tinygpt.generation.inference.model.FEWEST_TOGETHER", 1 if together else 4)
    cache, starts = BatchCache(MODEL, 3), (0, 4, 9)
    for row, start in zip(cache.rows, starts, strict=True):
        if start:
            reader.read(TOKENS[:start], row)
    for step in range(4):
        scores = reader.step_batch(TOKENS[np.array(starts) + step], cache)
        for row, start in enumerate(starts):
            slow = slow_logits(model, TOKENS[: start + step + 1].tolist())[-1]
            np.testing.assert_allclose(scores[row], slow, atol=1e-4)
    assert [row.length for row in cache.rows] == [4, 8, 13]


def test_a_copied_row_continues_as_its_source(reader: InferenceModel) -> None:
    cache = BatchCache(MODEL, 2)
    reader.read(TOKENS[:6], cache.rows[1])
    cache.copy_row(1, 0)
    first, second = reader.step_batch(TOKENS[[6, 6]], cache)
    np.testing.assert_array_equal(first, second)
    assert cache.rows[0].length == cache.rows[1].length == 7


@pytest.mark.parametrize("engine_name", ["numpy", "vectorized"])
def test_inference_agrees_with_the_engine(engine_name: str) -> None:
    engine = create_engine(engine_name, MODEL, TrainConfig(batch_size=2), seed=1)
    tokens = np.random.default_rng(1).integers(0, 256, (2, 16))
    for _ in range(3):
        engine.train_step(tokens, np.roll(tokens, -1, 1), learning_rate=0.05)
    logits = InferenceModel(engine).extend(tokens[1], KeyValueCache(MODEL))
    np.testing.assert_allclose(logits, engine.logits(tokens)[1], atol=1e-4)


def test_a_reader_is_a_snapshot(model: Checkpoint) -> None:
    source = random_model()
    reader = InferenceModel(source)
    before = scores_after_each(reader, TOKENS)
    for name, array in source.weights.items():
        np.testing.assert_array_equal(array, model.weights[name])  # folding wrote into none of them
        array[...] = 0.0
    np.testing.assert_array_equal(scores_after_each(reader, TOKENS), before)


def test_large_models_are_output_first_and_small_ones_input_first() -> None:
    small = ModelConfig(n_layers=1, d_model=8, n_heads=2, context_length=4)
    large = ModelConfig(n_layers=6, d_model=256, n_heads=2, context_length=4)
    assert 4 * small.n_parameters < folding.STREAMED_BYTES < 4 * large.n_parameters
    assert not InferenceModel(random_model(config=small)).weights.streamed
    assert InferenceModel(random_model(config=large)).weights.streamed


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_scores_beyond_the_exponential_lose_their_maximum(sign: float) -> None:
    """Use queries and keys so large that e^score is infinite, or zero for all positions that a token sees."""
    model = random_model()
    for layer in range(MODEL.n_layers):
        bias = model.weights[f"h.{layer}.attn.c_attn.bias"]
        bias[: MODEL.d_model] = 12.0
        bias[MODEL.d_model : 2 * MODEL.d_model] = sign * 12.0
    slow = slow_logits_without_maximum(model, TOKENS.tolist())
    reader, cache = InferenceModel(model), KeyValueCache(MODEL)
    assert reader._one_row.step(int(TOKENS[0]), cache) is None and cache.length == 0
    np.testing.assert_allclose(scores_after_each(reader, TOKENS), slow, atol=2e-3)


def slow_logits_without_maximum(model: Checkpoint, tokens: list[int]) -> np.ndarray:
    """Return the scores of the reference engine, whose softmax subtracts the maximum."""
    engine = create_engine("numpy", MODEL, TrainConfig(batch_size=1), seed=0)
    engine.load_state_dict(model.weights)
    return engine.logits(np.array([tokens]))[0]


# ---- what is refused, and what is given back -------------------------------------------------------------------


def test_a_full_cache_refuses_more(reader: InferenceModel) -> None:
    cache = BatchCache(MODEL, 2)
    row = cache.rows[0]
    reader.extend(np.zeros(16, np.int64), row)
    for more in (
        lambda: reader.extend(np.zeros(1, np.int64), row),
        lambda: reader.read(np.zeros(1, np.int64), row),
        lambda: reader.step(0, row),
        lambda: reader.step_batch(np.zeros(2, np.int64), cache),
    ):
        with pytest.raises(ConfigError, match=r"sequence of 17 tokens.*1 to 16"):
            more()
    assert cache.rows[1].length == 0  # no row is read if one has no room
    with pytest.raises(ConfigError, match="sequence of 0 tokens"):
        reader.read(np.zeros(0, np.int64), KeyValueCache(MODEL))


def test_threads_are_restored_and_change_nothing(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygpt.generation.inference.model.THREADED_WORK", 0)
    before = [library["num_threads"] for library in threadpool_info()]
    one, two = (InferenceModel(model, threads).read(TOKENS, KeyValueCache(MODEL)) for threads in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert [library["num_threads"] for library in threadpool_info()] == before
    with pytest.raises(ConfigError, match=r"threads is 0.*1 or more"):
        InferenceModel(model, threads=0)
