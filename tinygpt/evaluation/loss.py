"""The loss over a whole text: every token but the first is predicted once, from those before it in its window.

Windows of T tokens are adjacent, so a token is predicted from T/2 others on average. Windows that begin every S < T
tokens overlap: each scores only the S tokens that no earlier one did, from at least T − S others, and all take T/S
times as long. A token's loss is divided evenly among its bytes, so that models of different tokenizers have losses of
the same text. The loss is deterministic: equal weights on the same engine give the same value.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tinygpt.arguments import whole_number
from tinygpt.config import TrainConfig
from tinygpt.data import in_tokens
from tinygpt.engines import DEFAULT_ENGINE, Engine, create_engine
from tinygpt.errors import CorpusError
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.inference.model import model_tokenizer, require_model

_BATCH_TOKENS = 1536  # enough for fast products, few enough for the cache


def rows_for(context_length: int) -> int:
    """Return the number of windows to score together."""
    return max(1, _BATCH_TOKENS // context_length)


def scoring_engine(model: LanguageModel, name: str = DEFAULT_ENGINE) -> Engine:
    """Make an engine with a model's weights and scoring's batch size."""
    shape = require_model(model)
    engine = create_engine(name, shape, TrainConfig(rows_for(shape.context_length)), weights=model.state_dict())
    engine.tokenizer = model_tokenizer(model)
    return engine


def text_loss(engine: Engine, tokens: np.ndarray) -> float:
    """Return the mean cross-entropy over a text of n ids, nats per byte; raise a CorpusError below two."""
    return float(byte_losses(engine, tokens).mean())


def byte_losses(engine: Engine, tokens: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of every byte of a text but those of its first token, float64, nats.

    Args:
        engine: with the model's weights and its tokenizer.
        tokens: the text's ids (n,).

    Raises:
        CorpusError: the text is shorter than two tokens.
    """
    lengths = engine.tokenizer.byte_lengths(tokens[1:])
    return np.repeat(token_losses(engine, tokens) / lengths, lengths)


def token_losses(
    engine: Engine,
    tokens: np.ndarray,
    stride: int | None = None,
    scored: Callable[[int], None] = lambda _tokens: None,
) -> np.ndarray:
    """Return the cross-entropy of every token of a text but the first, float64, nats.

    Args:
        engine: with the model's weights.
        tokens: the text's ids (n,).
        stride: tokens from one window to the next; by default the context T.
        scored: receives the number of tokens that have a loss, from time to time.

    Raises:
        CorpusError: the text is shorter than two tokens.
        ConfigError: the stride is not from 1 to T.
    """
    if len(tokens) < 2:
        raise CorpusError(f"the text has {in_tokens(len(tokens))}", "at least 2")
    n, length = len(tokens) - 1, engine.config.context_length
    stride = length if stride is None else whole_number("stride", stride, 1, length)
    losses, done = np.empty(n), 0
    starts = np.arange(0, n - length + 1, stride)  # of whole windows
    for first in range(0, len(starts), rows_for(length)):
        rows = starts[first : first + rows_for(length)]
        windows = tokens[rows[:, None] + np.arange(length + 1)].astype(np.int64)
        for start, row in zip(rows, engine.token_losses(windows[:, :-1], windows[:, 1:]), strict=True):
            losses[done : start + length] = row[done - start :]
            done = start + length
        scored(done)
    if done < n:  # one shorter window
        rest = tokens[len(starts) * stride :].astype(np.int64)
        losses[done:] = engine.token_losses(rest[None, :-1], rest[None, 1:])[0, done - len(starts) * stride :]
        scored(n)
    return losses


def spread_sample(tokens: np.ndarray, size: int, window: int) -> np.ndarray:
    """Take about ``size`` tokens of a text as evenly spread pieces of ``window`` + 1; a shorter text as it is.

    Each piece is scored as one window, so that no prediction crosses a seam.
    """
    count = max(1, size // window)
    if len(tokens) <= size or len(tokens) < window + 1:
        return tokens
    starts = np.linspace(0, len(tokens) - window - 1, count).astype(np.int64)
    return tokens[starts[:, None] + np.arange(window + 1)]


def sample_loss(engine: Engine, tokens: np.ndarray, size: int) -> float:
    """Return the mean cross-entropy over an evenly spread sample of ``size`` bytes of a text (n,), nats per byte."""
    length, tokenizer = engine.config.context_length, engine.tokenizer
    size = int(size * tokenizer.tokens_per_byte(tokens[:size]))
    sample = spread_sample(tokens, size, length)
    if sample.ndim == 1:
        return text_loss(engine, sample)
    rows, total = rows_for(length), 0.0
    for start in range(0, len(sample), rows):
        part = sample[start : start + rows].astype(np.int64)
        total += engine.loss(part[:, :-1], part[:, 1:]) * len(part)
    return total / len(sample) * tokenizer.tokens_per_byte(sample[:, 1:])


def window_losses(engine: Engine, windows: np.ndarray) -> np.ndarray:
    """Return the cross-entropy of every token but the first of windows (N, T + 1), each alone: (N, T) float64, nats.

    Raises:
        ConfigError: T is larger than the model's context.
    """
    rows = rows_for(windows.shape[1] - 1)
    parts = (windows[start : start + rows].astype(np.int64) for start in range(0, len(windows), rows))
    return np.concatenate([engine.token_losses(part[:, :-1], part[:, 1:]) for part in parts])


def bits(nats: float) -> float:
    """Convert nats to bits."""
    return nats / math.log(2.0)
