"""A model's text on a terminal: printed token by token, with visible control characters."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TextIO

from tinygpt.generation.decoding import TimedGeneration, continue_prompt, continue_prompts, prompt_tokens
from tinygpt.generation.inference import InferenceModel, LanguageModel
from tinygpt.generation.inference.model import model_tokenizer
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.terminal.output import reader_may_leave
from tinygpt.terminal.visible import encodable, visible_text

_BATCH = 64  # texts at once: their caches fit into memory, and the first ones come soon


def print_sample(
    model: LanguageModel,
    prompt: str | bytes,
    settings: SamplingSettings,
    *,
    out: TextIO | None = None,
    info: TextIO | None = None,
) -> None:
    """Print a prompt and its continuation token by token to ``out``, then one line about the speed to ``info``.

    The default streams are standard output and standard error.

    Raises:
        ConfigError: the prompt is longer than the context.
    """
    out, info = out or sys.stdout, info or sys.stderr
    tokens = TimedGeneration(continue_prompt(model, prompt, settings))
    prompt_ids = _prompt_ids(model, prompt)
    with reader_may_leave():
        for text in model_tokenizer(model).decode_stream(chain(prompt_ids, tokens)):
            out.write(encodable(visible_text(text), out))
            out.flush()
        out.write("\n")
        out.flush()
        info.write(
            f"{tokens.n_tokens} tokens, {tokens.tokens_per_second:,.0f} tokens/s, "
            f"first token after {1000 * tokens.first_token_seconds:.0f} ms\n"
        )


def print_samples(
    model: LanguageModel,
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
        ConfigError: there are no prompts, or one is longer than the context.
    """
    out, info = out or sys.stdout, info or sys.stderr
    start = time.perf_counter()
    prepared, texts, done = InferenceModel(model), len(prompts) * count, 0
    with reader_may_leave():
        while done < texts:
            batch = [prompts[text // count] for text in range(done, min(done + _BATCH, texts))]
            columns = list(continue_prompts(prepared, batch, replace(settings, seed=settings.seed + done)))
            for row, prompt in enumerate(batch):
                out.write(f"--- {done + row + 1} of {texts}, seed {settings.seed + done + row}\n")
                tokens = chain(_prompt_ids(model, prompt), (int(column[row]) for column in columns))
                out.write(encodable(visible_text("".join(model_tokenizer(model).decode_stream(tokens))), out) + "\n")
            out.flush()
            done += len(batch)
        total, seconds = done * settings.n_tokens, time.perf_counter() - start
        info.write(f"{total} tokens in {done} texts, {total / seconds:,.0f} tokens/s together\n")


def _prompt_ids(model: LanguageModel, prompt: str | bytes) -> list[int]:
    """Return the token ids to print for a prompt: none for an empty one, although the model reads a line break."""
    return prompt_tokens(prompt, model.config.context_length, model_tokenizer(model)).tolist() if len(prompt) else []
