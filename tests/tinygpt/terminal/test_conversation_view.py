"""A conversation on a terminal: lines in, turns out, and how both end."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.generation.conversation import Conversation
from tinygpt.generation.growing import GrowingTexts
from tinygpt.generation.inference import InferenceModel
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.terminal.conversation_view import converse
from tinygpt.terminal.visible import visible_text

SETTINGS = SamplingSettings(3, temperature=0)


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model()


def talk(model: Checkpoint, typed: bytes, prompt: str = "") -> tuple[str, str]:
    """Return what is written to the text and beside it."""
    out, info = io.StringIO(), io.StringIO()
    converse(model, prompt, SETTINGS, lines=io.BytesIO(typed), out=out, info=info)
    return out.getvalue(), info.getvalue()


def shown(text: bytes) -> str:
    return visible_text(text.decode(errors="replace")) + "\n" * (not text.endswith(b"\n"))


@pytest.mark.parametrize("end", [b"", b"\n", b"\nnever read\n", b"\r\n"])
def test_an_empty_line_or_the_end_of_the_input_ends_the_session(model: Checkpoint, end: bytes) -> None:
    expected = Conversation(model, SETTINGS)
    turns = [shown(bytes(expected.say_line(line))) for line in (b"a", b"b\xff")]
    assert talk(model, b"a\nb\xff\n" + end) == ("".join(turns), "")


def test_a_prompt_is_the_first_turn(model: Checkpoint) -> None:
    expected = Conversation(model, SETTINGS)
    turns = ["ab" + shown(bytes(expected.say("ab"))), shown(bytes(expected.say_line(b"c")))]
    assert talk(model, b"c\n", "ab")[0] == "".join(turns)


def test_the_loop_is_compiled_before_the_first_line_is_asked_for(
    model: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    done: list[str] = []
    monkeypatch.setattr("tinygpt.generation.compiled.rows.prepare", lambda *_arguments, title: done.append(title))

    class Lines(io.BytesIO):
        def readline(self, *size: int | None) -> bytes:
            done.append("asked")
            return b""

    converse(InferenceModel(model, compiled=True), "", SETTINGS, lines=Lines(), out=io.StringIO(), info=io.StringIO())
    assert done == ["the loop that writes text", "asked"]


def test_the_context_is_named_once_when_the_text_is_longer(model: Checkpoint) -> None:
    _, info = talk(model, b"0123456789\nabcdefghij\nklmnopqrst\n")
    assert info == "note: the text is longer than the model's context, 16 tokens: it sees the end\n"


def test_ctrl_c_ends_the_turn_and_not_the_session(model: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, turns = GrowingTexts.grow, []

    def grow(self: GrowingTexts, *arguments: object) -> Iterator[object]:
        turns.append(len(turns))
        yield from list(plain(self, *arguments))[: 1 if turns == [0] else None]  # type: ignore[arg-type]
        if turns == [0]:
            raise KeyboardInterrupt

    monkeypatch.setattr(GrowingTexts, "grow", grow)
    out, _ = talk(model, b"a\nb\n")
    assert turns == [0, 1] and len(out) > 2
