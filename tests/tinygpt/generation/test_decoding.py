"""Generation: the cache and the batch change only the speed, and text comes in whole characters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import random_model, slow_greedy, slow_logits
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError
from tinygpt.generation.decoding import (
    TimedGeneration,
    generate,
    generate_batch,
    generate_text,
    prompt_note,
    stream_text,
)
from tinygpt.generation.inference import InferenceModel


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model()


def test_greedy_up_to_the_context_equals_rereading_the_whole_window(model: Checkpoint) -> None:
    found = list(generate(model, b"abc", 13, temperature=0))
    window = list(b"abc")
    for token in found:
        assert token == int(slow_logits(model, window)[-1].argmax())
        window.append(token)
    assert len(set(found)) > 1  # a model that says one byte for ever would prove little


@pytest.mark.parametrize("prompt", [b"x", b"sixteen bytes ok", b"fifteen bytes.."])
def test_past_the_context_the_last_half_is_read_again(model: Checkpoint, prompt: bytes) -> None:
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


def test_weights_folded_once_serve_many_texts(model: Checkpoint) -> None:
    reader = InferenceModel(model)
    for seed in (0, 1):
        assert list(generate(reader, "ab", 20, seed=seed)) == list(generate(model, "ab", 20, seed=seed))


# ---- seeds and settings --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_text_and_another_seed_another(model: Checkpoint) -> None:
    first = list(generate(model, "a", 30, seed=5))
    assert first == list(generate(model, "a", 30, seed=5))
    assert first != list(generate(model, "a", 30, seed=6))


def test_top_1_is_greedy(model: Checkpoint) -> None:
    greedy = list(generate(model, "a", 30, temperature=0))
    assert list(generate(model, "a", 30, temperature=1.3, top_k=1, seed=9)) == greedy
    assert list(generate(model, "a", 30, temperature=5e-324, seed=9)) == greedy


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_new_tokens": 0},
        {"max_new_tokens": -1},
        {"max_new_tokens": 2.0},
        {"max_new_tokens": True},
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": "warm"},
        {"top_k": 0},
        {"top_k": 257},
        {"top_k": 1.5},
        {"seed": -1},
        {"seed": None},
        {"threads": 0},
    ],
)
def test_settings_out_of_range_are_refused_before_the_first_token(
    model: Checkpoint, arguments: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(arguments))} is .*allowed: .*"):
        generate(model, "a", **({"max_new_tokens": 3} | arguments))  # type: ignore[arg-type]


def test_a_prompt_longer_than_the_context_keeps_its_end(model: Checkpoint) -> None:
    assert list(generate(model, "and seventeen bytes", 30)) == list(generate(model, " seventeen bytes", 30))
    assert rows_of(model, ["é" * 9, "a"], 30, 1.0) == rows_of(model, ["é" * 8, "a"], 30, 1.0)
    assert prompt_note("é" * 9, 16) == "the prompt has 18 bytes, and the model sees the last 16 of them, its context"
    assert prompt_note("é" * 8, 16) is None


# ---- the end of a text ---------------------------------------------------------------------------------------


def test_a_stop_string_ends_a_text_and_is_its_end(model: Checkpoint) -> None:
    whole = bytes(generate(model, "a", 45, seed=2))
    stop = whole[20:23]
    assert whole.count(stop) == 1
    assert bytes(generate(model, "a", 45, seed=2, stop_strings=[b"never written", stop])) == whole[:23]
    text = whole.decode("latin-1")
    assert generate_text(model, "a", 45, seed=2, stop_strings=stop) == whole[:23].decode(errors="replace"), text
    assert bytes(
        generate(model, whole[20:22], 45, seed=2, stop_strings=[stop])
    )  # a prompt's bytes begin no stop string


def test_the_end_mark_is_no_part_of_a_text(model: Checkpoint) -> None:
    whole = bytes(generate(model, "a", 45, seed=2))
    assert bytes(generate(model, "a", 45, seed=2, eos_token_id=whole[9])) == whole[: whole.index(whole[9])]
    assert list(generate(model, "a", 45, seed=2, eos_token_id=whole[0])) == []


@pytest.mark.usefixtures("fewest_together")
def test_the_texts_of_a_batch_end_each_for_itself(model: Checkpoint) -> None:
    whole = [bytes(generate(model, "a", 45, seed=seed)) for seed in (5, 6, 7)]
    settings = {"stop_strings": [whole[0][4:7]], "eos_token_id": whole[1][11]}
    alone = [list(generate(model, "a", 45, seed=seed, **settings)) for seed in (5, 6, 7)]  # type: ignore[arg-type]
    columns = list(generate_batch(model, ["a", "a", "a"], 45, seed=5, **settings))  # type: ignore[arg-type]
    assert len(columns) == max(map(len, alone)) and len({*map(len, alone)}) > 1
    together = np.array(columns).T
    assert [row[row >= 0].tolist() for row in together] == alone
    assert [len(row) for row in alone] == [int((row >= 0).cumprod().sum()) for row in together]


@pytest.mark.parametrize("options", [{"top_p": 0.5}, {"min_p": 0.2}, {"repetition_penalty": 2.0}])
def test_options_change_a_text_and_hold_in_a_batch(model: Checkpoint, options: dict[str, Any]) -> None:
    found = list(generate(model, "a", 45, seed=2, **options))
    assert found != list(generate(model, "a", 45, seed=2))
    batch = np.array(list(generate_batch(model, ["b", "a"], 45, seed=1, **options)))
    assert batch[:, 1].tolist() == found


# ---- several prompts -----------------------------------------------------------------------------------------

PROMPTS = ["a", b"sixteen bytes ok", "", "abc", b"a"]


def rows_of(
    model: Checkpoint | InferenceModel, prompts: list[str | bytes], n: int, *settings: float
) -> list[list[int]]:
    return np.array(list(generate_batch(model, prompts, n, *settings))).T.tolist()  # type: ignore[arg-type]


@pytest.fixture(params=["together", "in turn"])
def fewest_together(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygpt.generation.inference.model.FEWEST_TOGETHER", 1 if request.param == "together" else 100)


@pytest.mark.usefixtures("fewest_together")
@pytest.mark.parametrize("settings", [(0.0,), (1.0, None, 7), (0.7, 5, 3)])
def test_each_row_equals_its_prompt_alone(model: Checkpoint, settings: tuple[float, int | None, int]) -> None:
    """Generate far beyond the context, where rows slide at different times."""
    temperature, top_k, seed = (*settings, None, 0)[:3]
    alone = [list(generate(model, p, 50, temperature, top_k, seed + row)) for row, p in enumerate(PROMPTS)]
    assert rows_of(model, PROMPTS, 50, temperature, top_k, seed) == alone
    assert len(set(map(tuple, alone))) >= 4


@pytest.mark.usefixtures("fewest_together")
def test_a_batch_slides_by_the_same_policy(model: Checkpoint) -> None:
    found = rows_of(model, PROMPTS[:3], 40, 0.0)
    assert found == [slow_greedy(model, prompt, 40) for prompt in (b"a", b"sixteen bytes ok", b"\n")]


@pytest.mark.usefixtures("fewest_together")
@pytest.mark.parametrize("context", [1, 2, 3])
def test_a_batch_in_a_tiny_context(context: int) -> None:
    tiny = random_model(config=ModelConfig(n_layers=2, d_model=8, n_heads=2, context_length=context))
    assert rows_of(tiny, ["a", "b"], 9, 1.0, None, 4) == [
        list(generate(tiny, "a", 9, seed=4)),
        list(generate(tiny, "b", 9, seed=5)),
    ]


def test_a_repeated_prompt_is_read_once(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    plain = InferenceModel.read
    monkeypatch.setattr(
        InferenceModel, "read", lambda self, tokens, cache: read.append(len(tokens)) or plain(self, tokens, cache)
    )
    rows = rows_of(model, ["abc", "abc", "de", "abc"], 6, 1.0, None, 1)
    assert read == [3, 2]
    assert rows[3] == list(generate(model, "abc", 6, seed=4))


@pytest.mark.parametrize("prompts", [[], (), "abc", b""])
def test_a_batch_is_a_list_of_at_least_one_prompt(model: Checkpoint, prompts: object) -> None:
    with pytest.raises(ConfigError, match=r"^prompts is .*; allowed: a list of at least one prompt$"):
        generate_batch(model, prompts, 3)  # type: ignore[arg-type]


def test_a_batch_is_checked_before_its_first_token(model: Checkpoint) -> None:
    with pytest.raises(ConfigError, match="max_new_tokens is 0"):
        generate_batch(model, ["a"], 0)


# ---- text and timing -----------------------------------------------------------------------------------------


def test_text_is_the_decoded_tokens(model: Checkpoint) -> None:
    tokens = bytes(generate(model, "a", 30, 0.9, 50, seed=4))
    text = generate_text(model, "a", 30, temperature=0.9, top_k=50, seed=4)
    assert text == tokens.decode("utf-8", errors="replace")
    pieces = list(stream_text(model, "a", 30, 0.9, 50, 4))
    assert len(pieces) > 10 and "".join(pieces) == text
    with pytest.raises(ConfigError, match="temperature is -1"):
        stream_text(model, "a", temperature=-1)


def test_timing_excludes_the_consumer(monkeypatch: pytest.MonkeyPatch) -> None:
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
    timed = TimedGeneration(generate(model, "a", 20, seed=4))
    assert list(timed) == list(generate(model, "a", 20, seed=4))
    assert timed.n_tokens == 20 and timed.tokens_per_second > 0 and timed.first_token_seconds > 0


def test_a_single_token_has_a_speed_too(model: Checkpoint) -> None:
    timed = TimedGeneration(generate(model, "a", 1))
    assert len(list(timed)) == 1
    assert timed.tokens_per_second == pytest.approx(1 / timed.first_token_seconds)
