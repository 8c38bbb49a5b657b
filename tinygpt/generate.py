"""Text from a model, one token at a time: score, choose, append.

The prompt is read in one pass that fills the key-value cache; every further token is one row. When the window is
full, the last half of it is read afresh from position 0 and generation goes on: between two such moments a token
costs one row, and the model always sees at least half a context.

Temperature divides the scores before the softmax (0 takes the best token); top-k keeps the k best (Fan et al. 2018).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tinygpt.data import Tokenizer
from tinygpt.errors import ConfigError
from tinygpt.inference import InferenceModel, KeyValueCache, LanguageModel

# A sequence needs a first token; a line break is where a text begins afresh.
EMPTY_PROMPT = b"\n"


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is chosen, and how many are.

    Attributes:
        n_tokens: tokens to generate, at least 1.
        temperature: 0 takes the best token; 1 samples from the model's own distribution.
        top_k: keep only the k best tokens, 1 to 256; all when None.
        seed: of the random choices.

    Raises:
        ConfigError: a field is outside its range.
    """

    n_tokens: int
    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        run = "invoke sample --tokens 200 --temperature 0.8 --top-k 40 --seed 0"
        for name, low, high in (("n_tokens", 1, None), ("top_k", 1, Tokenizer.vocab_size), ("seed", 0, None)):
            value = getattr(self, name)
            if name == "top_k" and value is None:
                continue
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or value < low or (high is not None and value > high):
                allowed = f"a whole number, {low} or more" if high is None else f"a whole number from {low} to {high}"
                raise ConfigError(f"{name} is {value!r}", allowed, run)
        number = isinstance(self.temperature, int | float) and not isinstance(self.temperature, bool)
        if not number or not math.isfinite(self.temperature) or self.temperature < 0:
            raise ConfigError(f"temperature is {self.temperature!r}", "a finite number, 0 or more", run)


def generate(
    model: LanguageModel,
    prompt: str | bytes,
    n_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> Iterator[int]:
    """Continue a prompt.

    Everything is checked here, before the first token is asked for. The same arguments give the same tokens.

    Args:
        model: anything with ``.model`` and ``.state_dict()``: an engine or a loaded checkpoint.
        prompt: text (as UTF-8) or bytes, up to the context's length; an empty one starts from a line break.
        n_tokens: how many tokens to generate, at least 1.
        temperature: 0 for the best token each time, 1 for the model's own distribution.
        top_k: choose among the k best tokens only, 1 to 256.
        seed: of the random choices.

    Returns:
        an iterator over token ids, 0 to 255, without the prompt's.

    Raises:
        ConfigError: the prompt is longer than the context, or a setting is outside its range.
    """
    settings = SamplingSettings(n_tokens, temperature, top_k, seed)
    return _generate(model, prompt_tokens(prompt, model.model.context_length), settings)


def prompt_tokens(prompt: str | bytes, context_length: int) -> np.ndarray:
    """A prompt's token ids (n,), n from 1 to the context's length.

    Raises:
        ConfigError: the prompt is longer than the context.
    """
    tokens = Tokenizer.encode(prompt if len(prompt) else EMPTY_PROMPT)
    if len(tokens) > context_length:
        raise ConfigError(
            f"the prompt has {len(tokens)} bytes, the model's context {context_length}",
            f"a prompt of at most {context_length} bytes",
            "invoke sample with a shorter --prompt",
        )
    return tokens


def _generate(source: LanguageModel, prompt: np.ndarray, settings: SamplingSettings) -> Iterator[int]:
    rng = np.random.default_rng(settings.seed)
    model = InferenceModel(source)
    context = model.model.context_length
    cache = KeyValueCache(model.model)
    history = prompt.tolist()
    unread = prompt
    for _ in range(settings.n_tokens):
        if cache.length + len(unread) > context:
            cache = KeyValueCache(model.model)
            unread = np.array(history[-max(1, context // 2) :], np.uint8)
        logits = model.extend(unread, cache)[-1]
        token = choose_token(logits, settings, rng)
        history = [*history[-context:], token]
        unread = np.array([token], np.uint8)
        yield token


def choose_token(logits: np.ndarray, settings: SamplingSettings, rng: np.random.Generator) -> int:
    """Draw one token id from scores (V,). Equal scores rank by id, so top_k=1 and temperature 0 agree."""
    if settings.temperature == 0:
        return int(logits.argmax())
    ranked = np.argsort(-logits, kind="stable")[: settings.top_k]  # best first
    scores = logits[ranked].astype(np.float64)
    with np.errstate(over="ignore"):  # a tiny temperature sends all but the best to −inf, whose exp is 0
        weights = np.exp((scores - scores[0]) / settings.temperature)
    cumulative = weights.cumsum()
    # random() is below 1, so the position found is below the last one that carries weight.
    return int(ranked[np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")])


# ---- text and timing ---------------------------------------------------------------------------------------


def stream_text(tokens: Iterable[int]) -> Iterator[str]:
    """Text of a token stream as it comes, never with half a character.

    Bytes of an unfinished UTF-8 sequence are held back until it is whole; bytes that cannot be UTF-8 become U+FFFD.
    """
    decoder = Tokenizer.stream_decoder()
    for token in tokens:
        text = decoder.decode(bytes((token,)))
        if text:
            yield text
    rest = decoder.decode(b"", final=True)
    if rest:
        yield rest


class TimedGeneration:
    """A token iterator that measures itself: only the time spent inside the model counts, not the consumer's.

    Attributes:
        n_tokens: tokens yielded so far.
        first_token_seconds: from the first request to the first token: weights laid out, prompt read.
        decode_seconds: for all tokens after the first.
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
        """Decoding speed: tokens after the first over their time; with a single token, that one over its time."""
        n, seconds = self.n_tokens - 1, self.decode_seconds
        if n < 1:
            n, seconds = self.n_tokens, self.first_token_seconds
        return n / seconds if seconds > 0 else 0.0


def timed_generation(
    model: LanguageModel,
    prompt: str | bytes,
    n_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    seed: int = 0,
) -> TimedGeneration:
    """:func:`generate`, with the speed measured: iterate, then read ``tokens_per_second`` and the rest."""
    return TimedGeneration(generate(model, prompt, n_tokens, temperature, top_k, seed))
