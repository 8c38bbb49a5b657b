"""A text written in turns on a terminal: a line from the reader, a continuation from the model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, TextIO

from tinygpt.generation.conversation import Conversation
from tinygpt.generation.inference import InferenceModel, LanguageModel
from tinygpt.generation.inference.model import model_tokenizer
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.terminal.output import reader_may_leave
from tinygpt.terminal.samples import print_stream


def converse(
    model: LanguageModel | InferenceModel,
    prompt: str,
    settings: SamplingSettings,
    *,
    lines: BinaryIO | None = None,
    out: TextIO | None = None,
    info: TextIO | None = None,
) -> None:
    """Continue a prompt, if there is one, and then line after line, until an empty line or the end of the input.

    Ctrl-C ends the model's turn. The default streams are the standard ones; ``info`` gets what is not of the text.
    """
    lines, out, info = lines or sys.stdin.buffer, out or sys.stdout, info or sys.stderr
    conversation, context, told = Conversation(model, settings), model.config.context_length, False
    tokenizer = model_tokenizer(model)
    print_stream(tokenizer.encode(prompt).tolist(), tokenizer, out)
    with reader_may_leave():
        for turn in _turns(conversation, prompt, lines, info):
            with suppress(KeyboardInterrupt):
                print_stream(turn, tokenizer, out)
            if not conversation.newest.endswith(b"\n"):
                out.write("\n")
                out.flush()
            if conversation.n_tokens > context and not told:
                told = True
                info.write(f"note: the text is longer than the model's context, {context:,} tokens: it sees the end\n")


def _turns(conversation: Conversation, prompt: str, lines: BinaryIO, info: TextIO) -> Iterator[Iterator[int]]:
    if prompt:
        yield conversation.say(prompt)
    while True:
        if lines.isatty():
            info.write("> ")
            info.flush()
        if not (line := lines.readline().rstrip(b"\r\n")):
            return
        yield conversation.say_line(line)
