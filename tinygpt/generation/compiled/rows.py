"""A turn of the compiled loop: several rows of a batch are continued by several tokens in one call.

A turn ends after some hundredths of a second, so that a reader sees the text grow, or when a row has no more room. Rows
are divided among threads, which need nothing from each other: a row never depends on those beside it. Where there are
more threads than rows, and the weights come from outer memory, several threads share each product of a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.engines.compiled.waiting import find_pauses
from tinygpt.engines.loops.compiling import prepare
from tinygpt.errors import DivergedError
from tinygpt.generation.compiled.loop import continue_rows
from tinygpt.generation.compiled.meeting import LINE
from tinygpt.generation.inference import folding
from tinygpt.generation.inference.cache import BatchCache
from tinygpt.generation.inference.model import InferenceModel
from tinygpt.generation.sampling import COLDEST, SamplingSettings

_TURN_BYTES = 200_000_000  # of weights read in a turn: some hundredths of a second


@dataclass(frozen=True)
class _Share:
    """The work of a thread: rows, from ``first`` on, or one of several parts of their products.

    Attributes:
        shared: qkv, mixed, update, wide and logits, which the parts have in common.
        counters: by which they wait for each other.
        finite: one value, which becomes False if a score of the rows is not finite.
        room: the thread's own work space.
    """

    first: int
    rows: int
    part: int
    parts: int
    shared: tuple[np.ndarray, ...]
    counters: np.ndarray
    finite: np.ndarray
    room: tuple[np.ndarray, ...]
    heap: np.ndarray

    @classmethod
    def of(cls, model: ModelConfig, first: int, rows: int, parts: int) -> list[_Share]:
        """Make the shares of some rows, one for each thread."""
        d, f, v, t = model.d_model, model.d_hidden, model.vocab_size, model.context_length

        def zeros(*widths: int) -> tuple[np.ndarray, ...]:
            return tuple(np.zeros((rows, width), np.float32) for width in widths)

        shared, heap = zeros(3 * d, d, d, f, v), np.zeros(v, np.int64)
        counters, finite = np.zeros(LINE * parts, np.int64), np.ones(1, np.bool_)
        return [
            cls(
                first, rows, part, parts, shared, counters, finite,
                (*zeros(d, d), *(np.zeros(size, np.float32) for size in (rows * f, t, t))), heap,
            )
            for part in range(parts)
        ]  # fmt: skip


class CompiledTurns:
    """The rows of a cache, and how they are continued. The first one compiles, or reads the code from the disk."""

    def __init__(
        self,
        model: InferenceModel,
        cache: BatchCache,
        settings: SamplingSettings,
        rngs: list[np.random.Generator],
        seen: np.ndarray,
    ) -> None:
        find_pauses()
        self._model, self._cache, self._settings, self._rngs, self._seen = model, cache, settings, rngs, seen
        rows = len(cache.rows)
        groups = min(model.threads, rows)
        # Products of fewer numbers take less time than threads that meet after them.
        parts = model.threads // groups if 4 * model.weights.arena.size > folding.STREAMED_BYTES else 1
        edges = [rows * number // groups for number in range(groups + 1)]
        self._shares = [
            share for first, end in pairwise(edges) for share in _Share.of(model.config, first, end - first, parts)
        ]
        self._threads = ThreadPoolExecutor(len(self._shares), "tinygpt-text")
        self._most = max(1, _TURN_BYTES // model.weights.arena.nbytes)
        self._dtype = np.min_scalar_type(model.config.vocab_size - 1)
        none = np.zeros((rows, 1), self._dtype), np.zeros((rows, 0)), np.zeros(rows, np.int64), seen.copy()
        prepare(continue_rows, *self._arguments(self._shares[0], *none), title="the loop that writes text")

    def advance(self, tokens: np.ndarray, most: int) -> Iterator[np.ndarray]:
        """Read the rows' newest tokens (B,); yield the next ones, at most so many times.

        Raises:
            DivergedError: a best score is not finite.
        """
        rows, n = len(tokens), min(most, self._most, min(row.room - row.length for row in self._cache.rows))
        texts = np.empty((rows, n + 1), self._dtype)
        texts[:, 0] = tokens
        drawn = np.zeros((rows, n)) if self._settings.temperature == 0 else np.stack([r.random(n) for r in self._rngs])
        lengths = np.array([row.length for row in self._cache.rows])
        seen = self._seen.copy()  # a text may end inside the turn
        turns = [self._arguments(share, texts, drawn, lengths.copy(), seen) for share in self._shares]
        for share in self._shares:
            share.counters[:], share.finite[:] = 0, True
        if len(turns) == 1:
            continue_rows(*turns[0])
        else:
            list(self._threads.map(lambda turn: continue_rows(*turn), turns))
        if not all(share.finite[0] for share in self._shares):
            raise DivergedError("the model's best score is not finite", "finite weights, of another checkpoint")
        for row, length in zip(self._cache.rows, (lengths + n).tolist(), strict=True):
            row.length = length
        yield from texts[:, 1:].T

    def _arguments(
        self, share: _Share, texts: np.ndarray, drawn: np.ndarray, lengths: np.ndarray, seen: np.ndarray
    ) -> tuple[object, ...]:  # fmt: skip
        model, own = self._model, slice(share.first, share.first + share.rows)
        weights, settings = model.weights, self._settings
        return (
            texts[own], drawn[own], max(float(settings.temperature), COLDEST) if settings.temperature else 0.0,
            settings.top_k or model.config.vocab_size, float(settings.top_p), float(settings.min_p),
            *settings.penalty_factors, seen[own],
            weights.tokens, weights.token_scales, weights.positions,
            weights.arena, weights.vectors, weights.starts, weights.streamed, np.float32(model.config.layer_norm_eps),
            self._cache.keys, self._cache.values, lengths, share.first, share.shared, share.room,
            share.heap, share.finite, share.counters, share.part, share.parts,
        )  # fmt: skip
