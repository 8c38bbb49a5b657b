"""A model's text on a terminal: printed token by token, with visible control characters."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import TextIO

import numpy as np

from tinygpt.generation.decoding import TimedGeneration, continue_prompt, continue_prompts, prompt_note
from tinygpt.generation.inference import InferenceModel, LanguageModel
from tinygpt.generation.inference.model import as_inference_model, model_tokenizer
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.terminal.output import reader_may_leave
from tinygpt.terminal.visible import encodable, visible_text
from tinygpt.tokenizers import Tokenizer

_BATCH = 64  # texts at once: their caches fit into memory, and the first ones come soon


def print_sample(
    model: LanguageModel | InferenceModel,
    prompt: str | bytes,
    settings: SamplingSettings,
    *,
    out: TextIO | None = None,
    info: TextIO | None = None,
) -> None:
    """Print a prompt and its continuation token by token to ``out``, then one line about the speed to ``info``.

    The default streams are standard output and standard error.
    """
    out, info = out or sys.stdout, info or sys.stderr
    tokens = TimedGeneration(continue_prompt(model, prompt, settings))
    _print_notes(model, [prompt], info)
    with reader_may_leave():
        print_stream(chain(model_tokenizer(model).encode(prompt).tolist(), tokens), model_tokenizer(model), out)
        out.write("\n")
        out.flush()
        info.write(
            f"{tokens.n_tokens} tokens, {tokens.tokens_per_second:,.0f} tokens/s, "
            f"first token after {1000 * tokens.first_token_seconds:.0f} ms\n"
        )


def print_samples(
    model: LanguageModel | InferenceModel,
    prompts: Sequence[str | bytes],
    settings: SamplingSettings,
    count: int = 1,
    *,
    out: TextIO | None = None,
    info: TextIO | None = None,
) -> None:
    """Print ``count`` continuations of each prompt to ``out``, then one line about the speed to ``info``.

    Text i has the seed ``settings.seed + i``. The default streams are standard output and standard error.

    Raises:
        ConfigError: there are no prompts.
    """
    out, info = out or sys.stdout, info or sys.stderr
    start = time.perf_counter()
    prepared, texts, done, total = as_inference_model(model), len(prompts) * count, 0, 0
    _print_notes(model, prompts, info)
    with reader_may_leave():
        tokenizer = model_tokenizer(model)
        while done < texts:
            batch = [prompts[text // count] for text in range(done, min(done + _BATCH, texts))]
            columns = list(continue_prompts(prepared, batch, replace(settings, seed=settings.seed + done)))
            rows = np.reshape(columns, (-1, len(batch))).T
            total += int((rows >= 0).sum())
            for row, prompt in enumerate(batch):
                out.write(f"--- {done + row + 1} of {texts}, seed {settings.seed + done + row}\n")
                tokens = chain(tokenizer.encode(prompt).tolist(), rows[row][rows[row] >= 0].tolist())
                out.write(encodable(visible_text("".join(tokenizer.decode_stream(tokens))), out) + "\n")
            out.flush()
            done += len(batch)
        seconds = time.perf_counter() - start
        info.write(f"{total} tokens in {done} texts, {total / seconds:,.0f} tokens/s together\n")


def print_stream(tokens: Iterable[int], tokenizer: Tokenizer, out: TextIO) -> None:
    """Print tokens as they come, in whole characters."""
    for text in tokenizer.decode_stream(tokens):
        out.write(encodable(visible_text(text), out))
        out.flush()


def _print_notes(model: LanguageModel | InferenceModel, prompts: Sequence[str | bytes], info: TextIO) -> None:
    """Print a note about each prompt that is longer than the context, the same note once."""
    tokenizer = model_tokenizer(model)
    notes = (prompt_note(prompt, model.config.context_length, tokenizer) for prompt in prompts)
    info.writelines(f"note: {note}\n" for note in dict.fromkeys(filter(None, notes)))
