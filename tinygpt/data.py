"""From tokens to batches: a batch is a pure function of (seed, step).

So engines with the same seed read identical batches, and a resumed run continues exactly where it stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import whole_number, wrong
from tinygpt.errors import CorpusError


@dataclass(frozen=True)
class Batch:
    """Token ids and the ids that follow them, both (B, T) int64, or (K, B, T) for K steps."""

    inputs: np.ndarray
    targets: np.ndarray

    def __repr__(self) -> str:
        return f"<batch of {' × '.join(map(str, self.inputs.shape))} tokens>"


class BatchSampler:
    """Random windows of a token stream.

    Args:
        tokens: the stream (n,), at least T + 1 long.
        batch_size: B.
        context_length: T.
        seed: seeds the windows' positions.

    Raises:
        ConfigError: the stream is no such array, or a number is outside its range.
        CorpusError: the stream is shorter than one window.
    """

    def __init__(self, tokens: np.ndarray, batch_size: int, context_length: int, seed: int) -> None:
        if not isinstance(tokens, np.ndarray) or tokens.ndim != 1 or tokens.dtype.kind not in "iu":
            raise wrong("tokens", tokens, "an array of token ids (n,), such as corpus.train_tokens")
        self.tokens = tokens
        self.batch_size = whole_number("batch_size", batch_size, 1)
        self.context_length = whole_number("context_length", context_length, 1)
        self.seed = whole_number("seed", seed)
        if len(tokens) < context_length + 1:
            raise _too_short("the text", len(tokens), context_length)

    def __repr__(self) -> str:
        shape = f"{self.batch_size} × {self.context_length}"
        return f"<batches of {shape} tokens from {len(self.tokens):,}, seed {self.seed}>"

    def batch(self, step: int, rows: slice = slice(None)) -> Batch:
        """Return a step's batch, or ``rows`` of it; steps are counted from 0."""
        rng = np.random.default_rng([self.seed, step])
        last_start = len(self.tokens) - self.context_length - 1
        starts = rng.integers(0, last_start + 1, size=self.batch_size)[rows]  # (B,)
        windows = starts[:, None] + np.arange(self.context_length + 1)  # (B, T + 1)
        tokens = self.tokens[windows].astype(np.int64)
        return Batch(tokens[:, :-1], tokens[:, 1:])

    def batches(self, steps: range, rows: slice = slice(None)) -> Batch:
        """Return the batches of K steps as one, (K, B, T), for :meth:`Engine.train_steps`."""
        batches = [self.batch(step, rows) for step in steps]
        return Batch(np.stack([batch.inputs for batch in batches]), np.stack([batch.targets for batch in batches]))


def _too_short(text: str, n_tokens: int, context_length: int) -> CorpusError:
    return CorpusError(
        f"{text} has {in_tokens(n_tokens)}",
        f"at least {context_length + 1}, the context and one more",
        "the same command with a longer text or a shorter context",
    )


def in_bytes(count: int) -> str:
    """Write a text's length in words: 1 byte, 2 bytes."""
    return f"{count:,} byte{'' if count == 1 else 's'}"


def in_tokens(count: int) -> str:
    """Write a number of tokens in words: 1 token, 2 tokens."""
    return f"{count:,} token{'' if count == 1 else 's'}"


def evaluation_batches(
    tokens: np.ndarray, batch_size: int, context_length: int, limit: int | None = None
) -> list[Batch]:
    """Cut a held-out stream into consecutive windows, so that every evaluation reads the same text.

    Args:
        tokens: the stream (n,).
        batch_size: rows per batch; the last batch may have fewer.
        context_length: T.
        limit: the largest number of batches, spread evenly over the stream; by default all.

    Raises:
        CorpusError: the stream is shorter than one window.
    """
    n_windows = (len(tokens) - 1) // context_length
    if n_windows < 1:
        raise _too_short("the held-out text", len(tokens), context_length)
    starts = np.arange(n_windows) * context_length
    if limit is not None and n_windows > limit * batch_size:
        starts = starts[np.linspace(0, n_windows - 1, limit * batch_size).astype(np.int64)]
    windows = starts[:, None] + np.arange(context_length + 1)
    rows = tokens[windows].astype(np.int64)  # (windows, T + 1)
    return [Batch(rows[i : i + batch_size, :-1], rows[i : i + batch_size, 1:]) for i in range(0, len(rows), batch_size)]
