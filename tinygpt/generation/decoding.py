"""Text from a model, one token at a time: score, choose, append.

The prompt is read in one pass that fills the key-value cache; every further token costs one row. When the window is
full, its last half is read again from position 0 and generation continues: the model always sees at least half a
context, and all tokens in between cost one row.

A batch of prompts advances together (``growing.py``), so that the weights are streamed once for all rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Unpack

import numpy as np

from tinygpt.arguments import whole_number, wrong
from tinygpt.generation.growing import GrowingTexts, window_overlap
from tinygpt.generation.inference import InferenceModel, KeyValueCache, LanguageModel
from tinygpt.generation.inference.model import as_inference_model, model_tokenizer, require_model
from tinygpt.generation.sampling import SamplingOptions, SamplingSettings, choose_token, penalized, tokens_seen
from tinygpt.generation.text_end import until_end
from tinygpt.tokenizers import BYTES, Tokenizer

# A sequence needs a first token, and a text begins after a line break.
EMPTY_PROMPT = b"\n"


def prompt_tokens(prompt: str | bytes, context_length: int, tokenizer: Tokenizer = BYTES) -> np.ndarray:
    """Return a prompt's token ids (n,), at least one; of a prompt longer than the context, its end."""
    tokens = tokenizer.encode(prompt)
    return (tokens if len(tokens) else tokenizer.encode(EMPTY_PROMPT))[-context_length:]


def model_prompt(
    model: LanguageModel | InferenceModel, prompt: str | bytes, settings: SamplingSettings, threads: int | None
) -> np.ndarray:
    """Return a prompt's ids for a model; raise a ConfigError if one of the arguments does not fit it."""
    shape = require_model(model, threads)
    if settings.top_k is not None:
        whole_number("top_k", settings.top_k, 1, shape.vocab_size)
    if settings.eos_token_id is not None:
        whole_number("eos_token_id", settings.eos_token_id, 0, shape.vocab_size - 1)
    return prompt_tokens(prompt, shape.context_length, model_tokenizer(model))


def prompt_note(prompt: str | bytes, context_length: int, tokenizer: Tokenizer = BYTES) -> str | None:
    """Return the note that a prompt is longer than the context, or None."""
    n, unit = len(tokenizer.encode(prompt)), "bytes" if tokenizer is BYTES else "tokens"
    if n <= context_length:
        return None
    return f"the prompt has {n:,} {unit}, and the model sees the last {context_length:,} of them, its context"


# ---- one prompt --------------------------------------------------------------------------------------------


def generate(
    model: LanguageModel | InferenceModel,
    prompt: str | bytes,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
    **more: Unpack[SamplingOptions],
) -> Iterator[int]:
    """Continue a prompt. The arguments are checked at once; equal arguments give equal tokens.

    Args:
        model: an engine, a loaded checkpoint, or anything else with ``.config`` and ``.state_dict()``, whose weights
            are folded before the first token; or an ``InferenceModel``, whose weights are folded already.
        prompt: text (as UTF-8) or bytes; one longer than the context keeps its end, an empty one becomes a line break.
        max_new_tokens: number of tokens to generate, at least 1; fewer if the text ends before.
        temperature: 0 for the best token each time, 1 for the model's own distribution.
        top_k: choose among the k best tokens only, 1 to V.
        seed: seeds the random choices.
        threads: threads for reading prompts; by default all cores. An ``InferenceModel`` has its own number.
        more: ``top_p``, ``min_p``, ``repetition_penalty``, ``stop_strings`` and ``eos_token_id``, as in
            :class:`~tinygpt.generation.sampling.SamplingSettings`.

    Returns:
        an iterator over the new token ids, 0 to V − 1.

    Raises:
        ConfigError: a setting is outside its range.
    """
    return continue_prompt(model, prompt, SamplingSettings(max_new_tokens, temperature, top_k, seed, **more), threads)


def continue_prompt(
    model: LanguageModel | InferenceModel, prompt: str | bytes, settings: SamplingSettings, threads: int | None = None
) -> Iterator[int]:
    """Continue a prompt as :func:`generate` does."""
    tokens = continue_tokens(model, model_prompt(model, prompt, settings, threads), settings, threads)
    return until_end(tokens, settings, model_tokenizer(model))


def continue_tokens(
    source: LanguageModel | InferenceModel, prompt: np.ndarray, settings: SamplingSettings, threads: int | None = None
) -> Iterator[int]:
    """Continue a prompt of ids (n,), 1 to T of them, as :func:`generate` does, and go on after the text's end."""
    rng = np.random.default_rng(settings.seed)
    model = as_inference_model(source, threads)
    if model.is_compiled(settings.max_new_tokens):
        yield from (int(token) for (token,) in _continue_batch(model, [prompt], settings, None))
        return
    cache = KeyValueCache(model.config)
    context, overlap = cache.room, window_overlap(cache.room)
    text, seen = prompt.tolist(), tokens_seen(prompt, model.config.vocab_size)
    scores = model.read(prompt, cache)
    while True:
        token = choose_token(penalized(scores, seen, settings), settings, rng)
        text.append(token)
        seen[token] = True
        yield token
        if len(text) == len(prompt) + settings.max_new_tokens:
            return
        if cache.length < context:
            scores = model.step(token, cache)
        else:
            cache.length = 0
            scores = model.read(np.array(text[-overlap:]), cache)


# ---- several prompts ---------------------------------------------------------------------------------------


def generate_batch(
    model: LanguageModel | InferenceModel,
    prompts: Sequence[str | bytes],
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
    **more: Unpack[SamplingOptions],
) -> Iterator[np.ndarray]:
    """Continue B prompts, at least one and of any lengths, together. Equal prompts are read once.

    Row i continues ``prompts[i]`` with the seed ``seed + i``, and gets the tokens that :func:`generate` gives it alone.
    (Products over several rows are summed in another order than over one. If two tokens' scores agree to the last
    digits of float32, the choice may differ.) The other arguments are those of :func:`generate`.

    Returns:
        an iterator over at most ``max_new_tokens`` arrays (B,) int64, the rows' next token ids; −1 in a row whose text
        has ended.

    Raises:
        ConfigError: there are no prompts, or a setting is outside its range.
    """
    return continue_prompts(model, prompts, SamplingSettings(max_new_tokens, temperature, top_k, seed, **more), threads)


def continue_prompts(
    model: LanguageModel | InferenceModel,
    prompts: Sequence[str | bytes],
    settings: SamplingSettings,
    threads: int | None = None,
) -> Iterator[np.ndarray]:
    """Continue prompts as :func:`generate_batch` does."""
    if isinstance(prompts, str | bytes) or not isinstance(prompts, Sequence) or not prompts:
        raise wrong("prompts", prompts, "a list of at least one prompt")
    tokens = [model_prompt(model, prompt, settings, threads) for prompt in prompts]
    return _continue_batch(model, tokens, settings, threads)


def _continue_batch(
    source: LanguageModel | InferenceModel, prompts: list[np.ndarray], settings: SamplingSettings, threads: int | None
) -> Iterator[np.ndarray]:
    rngs = [np.random.default_rng(settings.seed + row) for row in range(len(prompts))]
    texts = GrowingTexts(as_inference_model(source, threads), len(prompts), settings)
    yield from texts.grow(texts.read_prompts(prompts), rngs)


# ---- text --------------------------------------------------------------------------------------------------


def generate_text(
    model: LanguageModel | InferenceModel,
    prompt: str | bytes,
    max_new_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
    **more: Unpack[SamplingOptions],
) -> str:
    """Return the text that continues a prompt. Arguments and errors are those of :func:`generate`.

    Bytes that are not UTF-8 become U+FFFD.
    """
    settings = SamplingSettings(max_new_tokens, temperature, top_k, seed, **more)
    return model_tokenizer(model).decode(continue_prompt(model, prompt, settings, threads))


def stream_text(
    model: LanguageModel | InferenceModel,
    prompt: str | bytes,
    max_new_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
    **more: Unpack[SamplingOptions],
) -> Iterator[str]:
    """Yield the text of :func:`generate_text` in pieces as it is generated, in whole characters."""
    settings = SamplingSettings(max_new_tokens, temperature, top_k, seed, **more)
    return model_tokenizer(model).decode_stream(continue_prompt(model, prompt, settings, threads))


# ---- timing ------------------------------------------------------------------------------------------------


class TimedGeneration:
    """A token iterator that measures the time spent inside the model, without the consumer's.

    Attributes:
        n_tokens: number of tokens so far.
        first_token_seconds: time to fold the weights, read the prompt and choose the first token.
        decode_seconds: time of all tokens after the first.
    """

    def __init__(self, tokens: Iterator[int]) -> None:
        self._tokens = tokens
        self.n_tokens = 0
        self.first_token_seconds = 0.0
        self.decode_seconds = 0.0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        start = time.perf_counter()
        token = next(self._tokens)
        seconds = time.perf_counter() - start
        if self.n_tokens == 0:
            self.first_token_seconds = seconds
        else:
            self.decode_seconds += seconds
        self.n_tokens += 1
        return token

    @property
    def tokens_per_second(self) -> float:
        """Decoding speed over all tokens after the first, or that of a single token."""
        n, seconds = self.n_tokens - 1, self.decode_seconds
        if n < 1:
            n, seconds = self.n_tokens, self.first_token_seconds
        return n / seconds if seconds > 0 else 0.0
