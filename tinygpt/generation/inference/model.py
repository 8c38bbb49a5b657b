"""GPT-2 for reading, not learning: folded weights, a key-value cache, and as few passes over memory as there can be.

    x = tokens[token] + positions[position]                             centred, and it stays so
    x = x + attention(x / rms(x)) W_projection;  x = x + mlp(x / rms(x)) W_down          per block
    logits = (x / rms(x)) W_head

Every matrix here holds its bias and the neighbouring LayerNorm's gain (``folding``).
"""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager

import numpy as np
from threadpoolctl import ThreadpoolController

from tinygpt.errors import ConfigError
from tinygpt.generation.inference import many_rows
from tinygpt.generation.inference.cache import BatchCache, KeyValueCache
from tinygpt.generation.inference.folding import LanguageModel, fold
from tinygpt.generation.inference.one_row import OneRow
from tinygpt.system.threads import available_cores

# Fewer sequences than this go faster one after the other: a product with so few columns reads its matrix more slowly
# than a dot product per output does, by more than reading it once saves.
FEWEST_TOGETHER = 5

# Rows × parameters of a pass below which a second thread costs more than it brings.
THREADED_WORK = 50_000_000


def require_threads(threads: int | None) -> None:
    """A thread count is 1 or more, or left open.

    Raises:
        ConfigError: it is not.
    """
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}", "1 or more")


class InferenceModel:
    """A snapshot of a model's weights, ready to score the next token of growing sequences.

    Making one reads and writes every weight. One object serves any number of caches, one call at a time.

    Args:
        source: an engine or a loaded checkpoint.
        threads: for passes over many rows; the cores this process may use when omitted. One row is read by one thread.

    Raises:
        ConfigError: ``threads`` is below 1.
    """

    def __init__(self, source: LanguageModel, threads: int | None = None) -> None:
        require_threads(threads)
        self.model = source.model
        self.threads = threads or available_cores()
        self.weights = fold(source)
        self._one_row = OneRow(source.model, self.weights)

    def __repr__(self) -> str:
        return f"<model for generation: {self.model.summary}>"

    @functools.cached_property
    def _blas(self) -> ThreadpoolController:
        return ThreadpoolController()

    def extend(self, tokens: np.ndarray, cache: KeyValueCache) -> np.ndarray:
        """Read n more tokens in one pass, adding them to the cache.

        Args:
            tokens: ids (n,), n at least 1; they follow the ``cache.length`` tokens read before.
            cache: updated in place.

        Returns:
            scores of the token after each of them, (n, V) float32.

        Raises:
            ConfigError: the sequence would outgrow the context, or there are no tokens.
        """
        with self._threads_for(len(tokens)):
            return many_rows.read(self.model, self.weights, tokens, cache, every=True)

    def read(self, tokens: np.ndarray, cache: KeyValueCache) -> np.ndarray:
        """As :meth:`extend`, but scores (V,) after the last token only."""
        with self._threads_for(len(tokens)):
            return many_rows.read(self.model, self.weights, tokens, cache, every=False)[0]

    def step(self, token: int, cache: KeyValueCache) -> np.ndarray:
        """Read one more token.

        Returns:
            scores (V,) of the token after it, valid until the next step.

        Raises:
            ConfigError: the context is full.
        """
        logits = self._one_row.step(token, cache)
        return self.read(np.array([token]), cache) if logits is None else logits

    def step_batch(self, tokens: np.ndarray, cache: BatchCache) -> np.ndarray:
        """Read one more token (B,) of each of B sequences; returns the scores after them, (B, V).

        Raises:
            ConfigError: a row's context is full.
        """
        if len(tokens) < FEWEST_TOGETHER:
            cache.lengths_after_one_more()  # before the first of them is read
            pairs = zip(tokens.tolist(), cache.rows, strict=True)
            return np.array([self.step(token, row).copy() for token, row in pairs])
        with self._threads_for(len(tokens)):
            return many_rows.step(self.model, self.weights, tokens, cache)

    def _threads_for(self, n_rows: int) -> AbstractContextManager[object]:
        """BLAS held to the threads that a pass over so many rows is worth, and given back afterwards."""
        worth = self.threads if n_rows * self.model.n_parameters >= THREADED_WORK else 1
        return self._blas.limit(limits=worth, user_api="blas")


def laid_out(model: LanguageModel | InferenceModel, threads: int | None = None) -> InferenceModel:
    """A model ready for reading; one that is ready already stays as it is."""
    return model if isinstance(model, InferenceModel) else InferenceModel(model, threads)
