"""A conversation: what each turn writes, and what it reads."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import random_model, slow_greedy
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.generation.conversation import Conversation
from tinygpt.generation.decoding import generate
from tinygpt.generation.inference import InferenceModel
from tinygpt.generation.sampling import SamplingSettings

BYTES = 16  # the model's context


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Texts that the model reads in one pass, in order."""
    texts: list[bytes] = []
    plain = InferenceModel.read

    def noted(self: InferenceModel, tokens: np.ndarray, cache: Any) -> np.ndarray:
        texts.append(bytes(tokens.tolist()))
        return plain(self, tokens, cache)

    monkeypatch.setattr(InferenceModel, "read", noted)
    return texts


def test_a_turn_reads_what_is_new_and_goes_on_as_if_all_had_been_one_prompt(
    model: Checkpoint, read: list[bytes]
) -> None:
    talk = Conversation(model, SamplingSettings(3, temperature=0))
    first = bytes(talk.say("ab"))
    second = bytes(talk.say("cd"))
    assert read == [b"ab", first[-1:] + b"cd"]
    assert first == bytes(generate(model, "ab", 3, temperature=0))
    assert second == bytes(generate(model, b"ab" + first + b"cd", 3, temperature=0))
    assert (talk.turns, talk.n_tokens, talk.newest) == (2, 10, second[-1:])


@pytest.mark.parametrize("compiled", [False, True])
def test_a_turn_may_be_left_at_any_token(model: Checkpoint, compiled: bool) -> None:
    if compiled:
        pytest.importorskip("numba")
    talk = Conversation(InferenceModel(model, compiled=compiled), SamplingSettings(9, temperature=0))
    left = bytes(islice(talk.say("ab"), 4))
    assert bytes(talk.say("c")) == slow(model, b"ab" + left + b"c", 9)


def test_a_turn_that_is_interrupted_while_it_reads_loses_nothing(
    model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = Conversation(model, SamplingSettings(3, temperature=0))
    first = bytes(talk.say("ab"))

    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(InferenceModel, "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(talk.say("c"))
    assert bytes(talk.say("d")) == bytes(generate(model, b"ab" + first + b"cd", 3, temperature=0))


def test_a_text_beyond_the_context_slides(model: Checkpoint, read: list[bytes]) -> None:
    talk = Conversation(model, SamplingSettings(8, temperature=0))
    text = b""
    for turn in (b"abcd", b"ef", b"the third turn is longer than a window", b"x"):
        text += turn
        written = bytes(talk.say(turn))
        text += written
        assert max(map(len, read)) <= BYTES
        if len(turn) > BYTES:  # a turn that fills the window is a prompt that does
            assert turn[-BYTES:] in read and written == bytes(generate(model, turn, 8, temperature=0))
    assert talk.n_tokens == len(text)


def test_stop_strings_and_seeds_are_those_of_each_turn(model: Checkpoint) -> None:
    whole = bytes(generate(model, "ab", 5, seed=4))
    talk = Conversation(model, SamplingSettings(5, seed=4, stop_strings=[whole[1:3]]))
    assert bytes(talk.say("ab")) == whole[:3]
    assert bytes(talk.say("c")) == bytes(generate(model, b"ab" + whole[:3] + b"c", 5, seed=5, stop_strings=whole[1:3]))


def test_the_penalty_counts_the_whole_text(model: Checkpoint) -> None:
    options = {"temperature": 0, "repetition_penalty": 1.7}
    talk = Conversation(model, SamplingSettings(4, **options))  # type: ignore[arg-type]
    first = bytes(talk.say("ab"))
    assert bytes(talk.say("c")) == bytes(generate(model, b"ab" + first + b"c", 4, **options))  # type: ignore[arg-type]


def test_a_line_begins_and_ends_with_a_line_break(model: Checkpoint, read: list[bytes]) -> None:
    talk = Conversation(model, SamplingSettings(1, temperature=0))
    first = bytes(talk.say_line(b"a"))
    assert first != b"\n"
    assert bytes(talk.say_line(b"b"))
    assert read == [b"a\n", first + b"\nb\n"]


def slow(model: Checkpoint, text: bytes, n_tokens: int) -> bytes:
    return bytes(slow_greedy(model, text, n_tokens))
