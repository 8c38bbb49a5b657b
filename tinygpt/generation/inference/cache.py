"""Keys and values of the positions read so far, in the memory order in which one more token reads them.

Attention is causal, so the keys and values of earlier positions never change. With them, one more token costs one row
instead of the whole window.
"""

from __future__ import annotations

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.errors import ConfigError


class KeyValueCache:
    """The cache of one sequence.

    Attributes:
        keys: (L, H, C, T) float32, filled up to ``length``: scores are q (C,) times a contiguous (C, length).
        values: (L, H, T, C) float32, likewise: mixing is p (length,) times a contiguous (length, C).
        length: number of filled positions, 0 to T.
        room: T, the model's context.
    """

    def __init__(self, model: ModelConfig, keys: np.ndarray | None = None, values: np.ndarray | None = None) -> None:
        layers, heads, t, c = model.n_layers, model.n_heads, model.context_length, model.head_dim
        self.keys = np.zeros((layers, heads, c, t), np.float32) if keys is None else keys
        self.values = np.zeros((layers, heads, t, c), np.float32) if values is None else values
        self.room = t
        self.length = 0

    def extended_length(self, n_tokens: int) -> int:
        """Return the length after n more tokens.

        Raises:
            ConfigError: there are no tokens, or the sequence becomes longer than the context.
        """
        end = self.length + n_tokens
        if not self.length < end <= self.room:
            raise ConfigError(f"a sequence of {end} tokens", f"1 to {self.room}, the model's context")
        return end


class BatchCache:
    """The caches of B sequences that advance together, each with its own length.

    Attributes:
        keys: (L, B, H, C, T) float32.
        values: (L, B, H, T, C) float32.
        rows: B caches that are views into these arrays.
    """

    def __init__(self, model: ModelConfig, n_rows: int) -> None:
        layers, heads, t, c = model.n_layers, model.n_heads, model.context_length, model.head_dim
        self.keys = np.zeros((layers, n_rows, heads, c, t), np.float32)
        self.values = np.zeros((layers, n_rows, heads, t, c), np.float32)
        self.rows = tuple(KeyValueCache(model, self.keys[:, row], self.values[:, row]) for row in range(n_rows))

    def lengths_after_one_more(self) -> list[int]:
        """Return the rows' lengths after one more token each; raise a ConfigError if a row is full."""
        return [row.extended_length(1) for row in self.rows]

    def copy_row(self, source: int, target: int) -> None:
        """Copy one row's cache to another row."""
        n = self.rows[source].length
        self.keys[:, target, :, :, :n] = self.keys[:, source, :, :, :n]
        self.values[:, target, :, :n] = self.values[:, source, :, :n]
        self.rows[target].length = n
