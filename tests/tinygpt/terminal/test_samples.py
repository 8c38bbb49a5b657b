"""A model's text on a terminal: harmless, streamed, and measured on the other stream."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import ROOT
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine, create_engine
from tinygpt.generation.decoding import generate
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.terminal.samples import print_sample, print_samples
from tinygpt.terminal.visible import encodable, visible_text
from tinygpt.tokenizers import BYTES


@pytest.fixture(scope="module")
def engine() -> Engine:
    return create_engine("numpy", ModelConfig(1, 8, 2, 16), TrainConfig(batch_size=1), seed=0)


def test_control_characters_become_pictures() -> None:
    assert visible_text("a\x1b[2Jb\r\n\tc\x00\x7f") == "a␛[2Jb␍\n\tc␀␡"
    assert visible_text("\x9b31m\u202ex\u2028\ud800") == "‹U+009B›31m‹U+202E›x‹U+2028›\ufffd"
    assert visible_text("naïve “quotes” 日本 é") == "naïve “quotes” 日本 é"


@given(text=st.text())
def test_visible_text_has_no_control_sequences(text: str) -> None:
    shown = visible_text(text)
    assert all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} for c in shown)


def test_characters_outside_an_encoding_become_question_marks() -> None:
    assert encodable("é ␛", io.TextIOWrapper(io.BytesIO(), encoding="latin-1")) == "é ?"
    assert encodable("é ␛", io.StringIO()) == "é ␛"


def test_several_samples_are_each_the_prompt_and_its_continuation(engine: Engine) -> None:
    out, info = io.StringIO(), io.StringIO()
    print_samples(engine, ["Héllo", "", "b\x1b"], SamplingSettings(20, 0.9, 50, 2), out=out, info=info)
    expected = ""
    for row, prompt in enumerate(("Héllo", "", "b\x1b")):
        text = "".join(BYTES.decode_stream([*prompt.encode(), *generate(engine, prompt, 20, 0.9, 50, 2 + row)]))
        expected += f"--- {row + 1} of 3, seed {2 + row}\n{visible_text(text)}\n"
    assert out.getvalue() == expected
    assert re.fullmatch(r"60 tokens in 3 texts, [\d,]+ tokens/s together\n", info.getvalue())


def test_a_sample_is_the_prompt_and_its_continuation(engine: Engine) -> None:
    out, info = io.StringIO(), io.StringIO()
    print_sample(engine, "Héllo", SamplingSettings(30, 0.9, 50, 2), out=out, info=info)
    expected = "".join(BYTES.decode_stream([*"Héllo".encode(), *generate(engine, "Héllo", 30, 0.9, 50, 2)]))
    assert out.getvalue() == visible_text(expected) + "\n"
    assert re.fullmatch(r"30 tokens, [\d,]+ tokens/s, first token after \d+ ms\n", info.getvalue())


def test_a_prompt_that_ends_inside_a_character_is_joined_with_what_follows(engine: Engine) -> None:
    out = io.StringIO()
    print_sample(engine, b"\xc3", SamplingSettings(20), out=out, info=io.StringIO())
    tokens = bytes([0xC3, *generate(engine, b"\xc3", 20)])
    assert out.getvalue() == visible_text(tokens.decode("utf-8", errors="replace")) + "\n"


def test_every_piece_is_flushed_as_it_comes(engine: Engine) -> None:
    class Recorder(io.StringIO):
        flushed: list[int]

        def flush(self) -> None:
            self.flushed.append(len(self.getvalue()))

    out = Recorder()
    out.flushed = []
    print_sample(engine, "", SamplingSettings(25, temperature=0), out=out, info=io.StringIO())
    assert len(out.flushed) > 10 and out.flushed == sorted(out.flushed)


def test_a_prompt_that_does_not_fit_is_printed_whole_with_one_note(engine: Engine) -> None:
    prompt, note = (
        "y" + "x" * 16,
        "note: the prompt has 17 bytes, and the model sees the last 16 of them, its context\n",
    )
    for show in (
        print_sample,
        lambda engine, prompt, *rest, **streams: print_samples(engine, [prompt] * 2, *rest, **streams),
    ):
        out, info = io.StringIO(), io.StringIO()
        show(engine, prompt, SamplingSettings(5), out=out, info=info)
        assert prompt in out.getvalue() and info.getvalue().startswith(note) and info.getvalue().count("note") == 1


def test_samples_end_each_at_its_own_stop_string(engine: Engine) -> None:
    whole = bytes(generate(engine, "a", 20, seed=2))
    out, info = io.StringIO(), io.StringIO()
    print_samples(engine, ["a", "a"], SamplingSettings(20, seed=2, stop_strings=[whole[3:6]]), out=out, info=info)
    first, second = out.getvalue().split("--- ")[1:]
    assert first.splitlines(keepends=True)[0] == "1 of 2, seed 2\n"
    assert "".join(first.splitlines(keepends=True)[1:]) == visible_text("a" + whole[:6].decode(errors="replace")) + "\n"
    written = bytes(generate(engine, "a", 20, seed=3, stop_strings=[whole[3:6]]))
    assert second == f"2 of 2, seed 3\n{visible_text('a' + written.decode(errors='replace'))}\n"
    assert info.getvalue().startswith(f"{6 + len(written)} tokens in 2 texts")


@settings(max_examples=80, deadline=None)
@given(
    prompt=st.binary(max_size=16),
    written=st.binary(min_size=1, max_size=60) | st.text(min_size=1, max_size=20).map(lambda text: text.encode()),
    encoding=st.sampled_from(["utf-8", "ascii", "latin-1", "cp1252"]),
)
def test_any_bytes_of_a_model_are_printed_as_complete_text(prompt: bytes, written: bytes, encoding: str) -> None:
    """Every piece that reaches the terminal is complete text, as it is shown before the next one."""
    pieces: list[bytes] = []

    class Terminal(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            pieces.append(bytes(data))
            return len(data)

    class Spoken:
        """A model whose tokens are given."""

        config = ModelConfig(1, 8, 2, 16)
        state_dict = dict

    out = io.TextIOWrapper(Terminal(), encoding=encoding, write_through=True, newline="")  # type: ignore[type-var]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygpt.terminal.samples.continue_prompt", lambda *_args: iter(written))
        print_sample(Spoken(), prompt, SamplingSettings(len(written)), out=out, info=io.StringIO())  # type: ignore[arg-type]
    decoded = "".join(piece.decode(encoding, errors="strict") for piece in pieces)
    expected = visible_text((prompt + written).decode("utf-8", errors="replace")) + "\n"
    assert decoded == encodable(expected, out)


def test_a_reader_that_leaves_early_ends_the_sample_quietly() -> None:
    program = (
        "from tinygpt.config import *; from tinygpt.engines import create_engine\n"
        "from tinygpt.generation.sampling import *; from tinygpt.terminal.samples import *\n"
        "engine = create_engine('numpy', ModelConfig(1, 8, 2, 16), TrainConfig(1))\n"
        "print_sample(engine, 'abc', SamplingSettings(100_000))"
    )
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    os.close(write)
    assert os.read(read, 3)
    os.close(read)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert error == ""
