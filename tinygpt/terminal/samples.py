"""A model's text on a terminal: tokens printed as they come, control characters made visible."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TextIO

from tinygpt.data import Tokenizer
from tinygpt.generation.decoding import TimedGeneration, continue_prompt, continue_prompts, prompt_tokens
from tinygpt.generation.inference import InferenceModel, LanguageModel
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.terminal.output import reader_may_leave
from tinygpt.terminal.visible import encodable, visible_text

_TOGETHER = 64  # texts that are written at once: their caches fit into memory, and the first ones come soon


def print_sample(
    model: LanguageModel,
    prompt: str | bytes,
    settings: SamplingSettings,
    *,
    out: TextIO | None = None,
    info: TextIO | None = None,
) -> None:
    """Print a prompt and its continuation token by token, then one line about the speed.

    Args:
        model: an engine or a loaded checkpoint.
        prompt: text to continue; an empty one starts from a line break.
        settings: how many tokens to generate, and how they are chosen.
        out: where the text goes; standard output when omitted.
        info: where the line about the speed goes; standard error when omitted.

    Raises:
        ConfigError: the prompt is longer than the context.
    """
    out, info = out or sys.stdout, info or sys.stderr
    tokens = TimedGeneration(continue_prompt(model, prompt, settings))
    shown = _prompt_ids(model, prompt)
    with reader_may_leave():
        for text in Tokenizer.decode_stream(chain(shown, tokens)):
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
    """Continue several prompts, some at a time, and print one text after the other, then one line about the speed.

    Args:
        model: an engine or a loaded checkpoint.
        prompts: texts to continue, at least 1.
        settings: how many tokens to generate for each, and how they are chosen; text i draws with the seed
            ``settings.seed + i``.
        count: texts for each prompt.
        out: where the texts go; standard output when omitted.
        info: where the line about the speed goes; standard error when omitted.

    Raises:
        ConfigError: there are no prompts, or one is longer than the context.
    """
    out, info = out or sys.stdout, info or sys.stderr
    start = time.perf_counter()
    prepared, texts, done = InferenceModel(model), len(prompts) * count, 0
    with reader_may_leave():
        while done < texts:
            together = [prompts[text // count] for text in range(done, min(done + _TOGETHER, texts))]
            columns = list(continue_prompts(prepared, together, replace(settings, seed=settings.seed + done)))
            for row, prompt in enumerate(together):
                out.write(f"--- {done + row + 1} of {texts}, seed {settings.seed + done + row}\n")
                tokens = chain(_prompt_ids(model, prompt), (int(column[row]) for column in columns))
                out.write(encodable(visible_text("".join(Tokenizer.decode_stream(tokens))), out) + "\n")
            out.flush()
            done += len(together)
    total, seconds = done * settings.n_tokens, time.perf_counter() - start
    info.write(f"{total} tokens in {done} texts, {total / seconds:,.0f} tokens/s together\n")


def _prompt_ids(model: LanguageModel, prompt: str | bytes) -> list[int]:
    """A prompt as it is shown: nothing for an empty one, though the model reads a line break."""
    return prompt_tokens(prompt, model.model.context_length).tolist() if len(prompt) else []
