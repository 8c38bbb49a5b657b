"""Text from a model, one token at a time: score, choose, append.

The prompt is read in one pass that fills the key-value cache; every further token costs one row. When the window is
full, its last half is read again from position 0 and generation continues: the model always sees at least half a
context, and all tokens in between cost one row.

A batch of prompts advances together, so that the weights are streamed once for all rows; every row has its own cache,
window and random choices.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tinygpt.arguments import whole_number, wrong
from tinygpt.errors import ConfigError
from tinygpt.generation.inference import BatchCache, InferenceModel, KeyValueCache, LanguageModel
from tinygpt.generation.inference.model import as_inference_model, model_tokenizer, require_model
from tinygpt.generation.sampling import SamplingSettings, choose_token
from tinygpt.tokenizers import BYTES, Tokenizer

# A sequence needs a first token, and a text begins after a line break.
EMPTY_PROMPT = b"\n"


def prompt_tokens(prompt: str | bytes, context_length: int, tokenizer: Tokenizer = BYTES) -> np.ndarray:
    """Return a prompt's token ids (n,); raise a ConfigError if it is longer than the context."""
    tokens = tokenizer.encode(prompt)
    if len(tokens) > context_length:
        unit = "bytes" if tokenizer is BYTES else "tokens"
        problem = f"the prompt has {len(tokens)} {unit}, the model's context {context_length}"
        raise ConfigError(problem, f"a prompt of at most {context_length} {unit}")
    return tokens if len(tokens) else tokenizer.encode(EMPTY_PROMPT)


def model_prompt(
    model: LanguageModel | InferenceModel, prompt: str | bytes, settings: SamplingSettings, threads: int | None
) -> np.ndarray:
    """Return a prompt's ids for a model; raise a ConfigError if one of the arguments does not fit it."""
    shape = require_model(model, threads)
    if settings.top_k is not None:
        whole_number("top_k", settings.top_k, 1, shape.vocab_size)
    return prompt_tokens(prompt, shape.context_length, model_tokenizer(model))


def window_overlap(context_length: int) -> int:
    """Return the number of last tokens of a full window that are read again: half of them, at least 1."""
    return max(1, context_length // 2)


# ---- one prompt --------------------------------------------------------------------------------------------


def generate(
    model: LanguageModel | InferenceModel,
    prompt: str | bytes,
    n_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
) -> Iterator[int]:
    """Continue a prompt. The arguments are checked at once; equal arguments give equal tokens.

    Args:
        model: an engine, a loaded checkpoint, or anything else with ``.config`` and ``.state_dict()``, whose weights
            are folded before the first token; or an ``InferenceModel``, whose weights are folded already.
        prompt: text (as UTF-8) or bytes, up to the context's length; an empty one becomes a line break.
        n_tokens: number of tokens to generate, at least 1.
        temperature: 0 for the best token each time, 1 for the model's own distribution.
        top_k: choose among the k best tokens only, 1 to V.
        seed: seeds the random choices.
        threads: threads for reading prompts; by default all cores. An ``InferenceModel`` has its own number.

    Returns:
        an iterator over the new token ids, 0 to V − 1.

    Raises:
        ConfigError: the prompt is longer than the context, or a setting is outside its range.
    """
    return continue_prompt(model, prompt, SamplingSettings(n_tokens, temperature, top_k, seed), threads)


def continue_prompt(
    model: LanguageModel | InferenceModel, prompt: str | bytes, settings: SamplingSettings, threads: int | None = None
) -> Iterator[int]:
    """Continue a prompt as :func:`generate` does."""
    return _continue(model, model_prompt(model, prompt, settings, threads), settings, threads)


def _continue(
    source: LanguageModel | InferenceModel, prompt: np.ndarray, settings: SamplingSettings, threads: int | None
) -> Iterator[int]:
    rng = np.random.default_rng(settings.seed)
    model = as_inference_model(source, threads)
    if model.is_compiled(settings.n_tokens):
        yield from (int(token) for (token,) in _continue_batch(model, [prompt], settings, None))
        return
    cache = KeyValueCache(model.config)
    context, overlap = cache.room, window_overlap(cache.room)
    text = prompt.tolist()
    scores = model.read(prompt, cache)
    while True:
        token = choose_token(scores, settings, rng)
        text.append(token)
        yield token
        if len(text) == len(prompt) + settings.n_tokens:
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
    n_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
) -> Iterator[np.ndarray]:
    """Continue B prompts, at least one and of any lengths, together. Equal prompts are read once.

    Row i continues ``prompts[i]`` with the seed ``seed + i``, and gets the tokens that :func:`generate` gives it alone.
    (Products over several rows are summed in another order than over one. If two tokens' scores agree to the last
    digits of float32, the choice may differ.) The other arguments are those of :func:`generate`.

    Returns:
        an iterator over ``n_tokens`` arrays (B,), the rows' next token ids.

    Raises:
        ConfigError: there are no prompts, one is longer than the context, or a setting is outside its range.
    """
    return continue_prompts(model, prompts, SamplingSettings(n_tokens, temperature, top_k, seed), threads)


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
    model = as_inference_model(source, threads)
    cache = BatchCache(model.config, len(prompts))
    texts = [prompt.tolist() for prompt in prompts]
    tokens = _choose(_read_prompts(model, prompts, cache), settings, rngs)
    advance = _advancing(model, cache, settings, rngs)
    remaining = settings.n_tokens - 1
    _append(tokens, texts)
    yield tokens.copy()
    while remaining:
        _make_room(model, texts, cache)
        for following in advance(tokens, remaining):
            tokens, remaining = following, remaining - 1
            _append(tokens, texts)
            yield tokens.copy()


# (newest tokens (B,), a number) → at most so many times the next tokens (B,), at least once
Advance = Callable[[np.ndarray, int], Iterator[np.ndarray]]


def _advancing(
    model: InferenceModel, cache: BatchCache, settings: SamplingSettings, rngs: list[np.random.Generator]
) -> Advance:
    if model.is_compiled(settings.n_tokens * len(cache.rows)):
        from tinygpt.generation.compiled.rows import CompiledTurns  # imports Numba

        return CompiledTurns(model, cache, settings, rngs).advance

    def one_token(tokens: np.ndarray, _most: int) -> Iterator[np.ndarray]:
        yield _choose(model.step_batch(tokens, cache), settings, rngs)

    return one_token


def _choose(scores: np.ndarray, settings: SamplingSettings, rngs: list[np.random.Generator]) -> np.ndarray:
    """Choose a token for each row of scores (B, V)."""
    chosen = [choose_token(row, settings, rng) for row, rng in zip(scores, rngs, strict=True)]
    return np.array(chosen, np.min_scalar_type(scores.shape[1] - 1))


def _append(tokens: np.ndarray, texts: list[list[int]]) -> None:
    for text, token in zip(texts, tokens.tolist(), strict=True):
        text.append(token)


def _make_room(model: InferenceModel, texts: list[list[int]], cache: BatchCache) -> None:
    """Read the last half of a full window again, but for the newest token, which is read with those of other rows."""
    overlap = window_overlap(model.config.context_length)
    for text, row in zip(texts, cache.rows, strict=True):
        if row.length == row.room:
            row.length = 0
            if overlap > 1:
                model.read(np.array(text[-overlap:-1]), row)


def _read_prompts(model: InferenceModel, prompts: list[np.ndarray], cache: BatchCache) -> np.ndarray:
    """Read every prompt into its row, equal ones once; return the scores after them, (B, V)."""
    first_row: dict[bytes, int] = {}
    scores = np.empty((len(prompts), model.config.vocab_size), np.float32)
    for row, prompt in enumerate(prompts):
        source = first_row.setdefault(prompt.tobytes(), row)
        if source == row:
            scores[row] = model.read(prompt, cache.rows[row])
        else:
            scores[row] = scores[source]
            cache.copy_row(source, row)
    return scores


# ---- text --------------------------------------------------------------------------------------------------


def generate_text(
    model: LanguageModel | InferenceModel,
    prompt: str | bytes,
    n_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
) -> str:
    """Return the text that continues a prompt. Arguments and errors are those of :func:`generate`.

    Bytes that are not UTF-8 become U+FFFD.
    """
    settings = SamplingSettings(n_tokens, temperature, top_k, seed)
    return model_tokenizer(model).decode(continue_prompt(model, prompt, settings, threads))


def stream_text(
    model: LanguageModel | InferenceModel,
    prompt: str | bytes,
    n_tokens: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
    *,
    threads: int | None = None,
) -> Iterator[str]:
    """Yield the text of :func:`generate_text` in pieces as it is generated, in whole characters."""
    settings = SamplingSettings(n_tokens, temperature, top_k, seed)
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
