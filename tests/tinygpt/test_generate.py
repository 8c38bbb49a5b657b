"""Generation: the cache changes the speed and nothing else, and text never comes in broken pieces."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygpt.checkpoint import Checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import Tokenizer
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError
from tinygpt.generate import (
    SamplingSettings,
    TimedGeneration,
    choose_token,
    generate,
    stream_text,
    timed_generation,
)
from tinygpt.inference import InferenceModel, KeyValueCache
from tinygpt.params import initial_parameters

MODEL = ModelConfig(n_layers=2, d_model=12, n_heads=3, context_length=16)


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    rng = np.random.default_rng(3)
    # Larger than at initialisation, so that what the model says depends on what it reads.
    weights = {
        name: array + 0.3 * rng.standard_normal(array.shape, np.float32)
        for name, array in initial_parameters(MODEL, 0).items()
    }
    return Checkpoint(MODEL, TrainConfig(batch_size=1), weights)


# ---- an independent, slow GPT-2: one position, one head at a time, in float64 ----------------------------------


def slow_logits(model: Checkpoint, tokens: list[int]) -> np.ndarray:
    """(n,) ids → (n, V), from the definition."""
    w = {name: array.astype(np.float64) for name, array in model.weights.items()}
    c = MODEL.head_dim

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return (x - x.mean()) / math.sqrt(x.var() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    xs = [w["wte.weight"][token] + w["wpe.weight"][position] for position, token in enumerate(tokens)]
    for layer in range(MODEL.n_layers):
        h = f"h.{layer}"
        qkv = [norm(x, f"{h}.ln_1") @ w[f"{h}.attn.c_attn.weight"] + w[f"{h}.attn.c_attn.bias"] for x in xs]
        for i in reversed(range(len(xs))):
            mixed = []
            for head in range(MODEL.n_heads):
                q, k, v = (
                    slice(part * MODEL.d_model + head * c, part * MODEL.d_model + (head + 1) * c) for part in range(3)
                )
                weights = np.array([math.exp(qkv[i][q] @ qkv[j][k] / math.sqrt(c)) for j in range(i + 1)])
                mixed.append(sum(p * qkv[j][v] for j, p in enumerate(weights / weights.sum())))
            xs[i] = xs[i] + np.concatenate(mixed) @ w[f"{h}.attn.c_proj.weight"] + w[f"{h}.attn.c_proj.bias"]
        for i, x in enumerate(xs):
            u = norm(x, f"{h}.ln_2") @ w[f"{h}.mlp.c_fc.weight"] + w[f"{h}.mlp.c_fc.bias"]
            u = 0.5 * u * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
            xs[i] = x + u @ w[f"{h}.mlp.c_proj.weight"] + w[f"{h}.mlp.c_proj.bias"]
    return np.array([norm(x, "ln_f") @ w["wte.weight"].T for x in xs])


def slow_greedy(model: Checkpoint, prompt: bytes, n_tokens: int) -> list[int]:
    """The policy as documented: fill the window, then keep its last half and go on."""
    window, out = list(prompt), []
    for _ in range(n_tokens):
        if len(window) > MODEL.context_length:
            window = window[-(MODEL.context_length // 2) :]
        out.append(int(slow_logits(model, window)[-1].argmax()))
        window.append(out[-1])
    return out


def test_cached_logits_equal_uncached_ones_at_every_position(model: Checkpoint) -> None:
    tokens = np.random.default_rng(0).integers(0, 256, MODEL.context_length)
    slow = slow_logits(model, tokens.tolist())
    reader = InferenceModel(model)
    whole = reader.extend(tokens, KeyValueCache(MODEL))
    np.testing.assert_allclose(whole, slow, atol=1e-4)
    for pieces in ([1] * 16, [5, 1, 1, 9], [15, 1], [3, 13]):
        cache, starts = KeyValueCache(MODEL), [0, *itertools.accumulate(pieces)]
        parts = [reader.extend(tokens[a:b], cache) for a, b in itertools.pairwise(starts)]
        np.testing.assert_allclose(np.concatenate(parts), slow, atol=1e-4)
        assert cache.length == 16


@pytest.mark.parametrize("engine_name", ["numpy", "vectorized"])
def test_inference_agrees_with_the_engine(engine_name: str) -> None:
    engine = create_engine(engine_name, MODEL, TrainConfig(batch_size=2), seed=1)
    tokens = np.random.default_rng(1).integers(0, 256, (2, 16))
    for _ in range(3):
        engine.train_step(tokens, np.roll(tokens, -1, 1), learning_rate=0.05)
    logits = InferenceModel(engine).extend(tokens[1], KeyValueCache(MODEL))
    np.testing.assert_allclose(logits, engine.logits(tokens)[1], atol=1e-4)


def test_a_full_cache_refuses_more(model: Checkpoint) -> None:
    reader, cache = InferenceModel(model), KeyValueCache(MODEL)
    reader.extend(np.zeros(16, np.int64), cache)
    with pytest.raises(ConfigError, match="sequence of 17 tokens"):
        reader.extend(np.zeros(1, np.int64), cache)


def test_greedy_up_to_the_context_equals_rereading_the_whole_window(model: Checkpoint) -> None:
    found = list(generate(model, b"abc", 13, temperature=0))
    window = list(b"abc")
    for token in found:
        assert token == int(slow_logits(model, window)[-1].argmax())
        window.append(token)
    assert len(set(found)) > 1  # a model that says one byte for ever would prove little


@pytest.mark.parametrize("prompt", [b"x", b"sixteen bytes ok", b"fifteen bytes.."])
def test_past_the_context_the_last_half_is_read_afresh(model: Checkpoint, prompt: bytes) -> None:
    assert list(generate(model, prompt, 45, temperature=0)) == slow_greedy(model, prompt, 45)


def test_a_context_of_one_token_works() -> None:
    config = ModelConfig(n_layers=1, d_model=4, n_heads=1, context_length=1)
    engine = create_engine("numpy", config, TrainConfig(batch_size=1), seed=0)
    assert len(list(generate(engine, "a", 5, seed=1))) == 5


def test_an_empty_prompt_starts_from_a_line_break(model: Checkpoint) -> None:
    assert list(generate(model, "", 8)) == list(generate(model, b"\n", 8))
    assert list(generate(model, "", 8, temperature=0)) != list(generate(model, b"q", 8, temperature=0))


def test_text_prompts_are_utf8(model: Checkpoint) -> None:
    assert list(generate(model, "né", 5)) == list(generate(model, "né".encode(), 5))


# ---- choosing ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_text_and_another_seed_another(model: Checkpoint) -> None:
    first = list(generate(model, "a", 30, seed=5))
    assert first == list(generate(model, "a", 30, seed=5))
    assert first != list(generate(model, "a", 30, seed=6))


def test_top_1_is_greedy(model: Checkpoint) -> None:
    greedy = list(generate(model, "a", 30, temperature=0))
    assert list(generate(model, "a", 30, temperature=1.3, top_k=1, seed=9)) == greedy
    assert list(generate(model, "a", 30, temperature=5e-324, seed=9)) == greedy


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


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_tokens": 0},
        {"n_tokens": -1},
        {"n_tokens": 2.0},
        {"n_tokens": True},
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": "warm"},
        {"top_k": 0},
        {"top_k": 257},
        {"top_k": 1.5},
        {"seed": -1},
        {"seed": None},
    ],
)
def test_settings_out_of_range_are_refused_before_the_first_token(
    model: Checkpoint, arguments: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(arguments))} is .*allowed: .*run: invoke sample"):
        generate(model, "a", **({"n_tokens": 3} | arguments))  # type: ignore[arg-type]


def test_a_prompt_longer_than_the_context_names_both_lengths(model: Checkpoint) -> None:
    with pytest.raises(ConfigError, match=r"17 bytes.*context 16.*run: invoke sample"):
        generate(model, "seventeen bytes..", 3)
    with pytest.raises(ConfigError, match="18 bytes"):
        generate(model, "é" * 9, 3)


# ---- text and timing -----------------------------------------------------------------------------------------


@given(text=st.text())
def test_streamed_text_is_the_text_in_whole_characters(text: str) -> None:
    pieces = list(stream_text(text.encode()))
    assert "".join(pieces) == text
    assert all(len(piece) == 1 for piece in pieces)


@given(data=st.binary())
def test_streamed_bytes_are_always_valid_text(data: bytes) -> None:
    pieces = list(stream_text(data))
    assert "".join(pieces) == data.decode("utf-8", errors="replace") == Tokenizer.decode(np.frombuffer(data, np.uint8))
    "".join(pieces).encode("utf-8", errors="strict")


def test_text_comes_as_soon_as_a_character_is_whole() -> None:
    asked: list[int] = []

    def tokens() -> object:
        for token in "aé€".encode():
            asked.append(token)
            yield token

    counts = [len(asked) for _ in stream_text(tokens())]  # type: ignore[arg-type]
    assert counts == [1, 3, 6]


def test_timing_counts_the_model_and_not_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def tokens() -> object:
        for seconds in (2.0, 0.25, 0.25):
            clock[0] += seconds
            yield 65

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    timed = TimedGeneration(iter(tokens()))  # type: ignore[call-overload]
    assert timed.tokens_per_second == 0.0
    for _ in timed:
        clock[0] += 100.0  # a slow terminal
    assert (timed.n_tokens, timed.first_token_seconds, timed.decode_seconds) == (3, 2.0, 0.5)
    assert timed.tokens_per_second == 4.0


def test_timed_generation_yields_the_same_tokens(model: Checkpoint) -> None:
    timed = timed_generation(model, "a", 20, seed=4)
    assert list(timed) == list(generate(model, "a", 20, seed=4))
    assert timed.n_tokens == 20 and timed.tokens_per_second > 0 and timed.first_token_seconds > 0


def test_a_single_token_has_a_speed_too(model: Checkpoint) -> None:
    timed = timed_generation(model, "a", 1)
    assert len(list(timed)) == 1
    assert timed.tokens_per_second == pytest.approx(1 / timed.first_token_seconds)
