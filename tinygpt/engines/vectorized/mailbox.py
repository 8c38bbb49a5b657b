"""The mailbox: arrays in memory that all workers share, threads or processes, with the batch, the constants of the step
and the results."""

from __future__ import annotations

import mmap
from itertools import pairwise

import numpy as np

from tinygpt.dropout import MaskDraw
from tinygpt.engines.vectorized.kernels import AdamWStep
from tinygpt.score_blocks import block_rows

LINE = 8  # numbers of a cache line, which a counter has for itself


def private_zeros(size: int) -> np.ndarray:
    """Allocate float32 zeros that only this process sees."""
    return np.zeros(size, np.float32)


def shared_zeros(size: int) -> np.ndarray:
    """Allocate float32 zeros that processes forked from this one see too."""
    return np.frombuffer(mmap.mmap(-1, max(1, size) * 4), np.float32, size)


class Mailbox:
    """Shared arrays for batches of up to ``rows`` × ``length`` tokens, and a loss and a squared norm per worker.

    Attributes:
        capacity: most tokens in a batch.
        scored: most tokens in a batch whose scores are asked for. Their memory is taken when it is first written to.
        turns: number of turns that each worker has ended, in the batch's gradients (``tinygpt.engines.compiled``).
    """

    def __init__(self, rows: int, length: int, vocab_size: int, workers: int) -> None:
        def integers(size: int) -> np.ndarray:
            return shared_zeros(2 * size).view(np.int64)

        self.capacity = rows * length
        self._tokens, self._targets, self._shape = integers(self.capacity), integers(self.capacity), integers(2)
        self.scored = min(self.capacity, max(workers * length, block_rows(self.capacity, vocab_size)))
        self._logits, self._vocab_size = shared_zeros(self.scored * vocab_size), vocab_size
        self._token_losses = shared_zeros(2 * self.capacity).view(np.float64)
        self._step = shared_zeros(2 * len(AdamWStep._fields)).view(np.float64)
        self._place, self._rate = integers(3), shared_zeros(2).view(np.float64)
        self._key = shared_zeros(2 * 2).view(np.uint64)
        self.losses = shared_zeros(2 * workers).view(np.float64)
        self.squares = shared_zeros(2 * workers).view(np.float64)
        self.turns = integers(LINE * workers)

    def post(
        self,
        tokens: np.ndarray,
        targets: np.ndarray | None = None,
        positions: int = 0,
        first_row: int = 0,
        masks: MaskDraw | None = None,
    ) -> None:
        """Store a batch.

        Args:
            tokens: inputs (B, T).
            targets: the next tokens (B, T).
            positions: number of positions in the mean loss, over all accumulated batches; 0: those of this batch.
            first_row: index of this batch's first row among the rows of all accumulated batches.
            masks: the dropout masks.
        """
        self._shape[:] = tokens.shape
        self.turns[:] = 0
        self.tokens[...] = tokens
        if targets is not None:
            self.targets[...] = targets
        self._place[:] = positions or tokens.size, first_row, 0 if masks is None else masks.step
        self._rate[0] = 0.0 if masks is None else masks.rate
        if masks is not None:
            self._key[:] = masks.key

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays, flat, for compiled code."""
        return (
            self._tokens, self._targets, self._shape, self._place, self._rate, self._step, self.losses, self.squares,
            self._logits, self._token_losses, self.turns,
        )  # fmt: skip

    @property
    def positions(self) -> int:
        """Number of positions in the mean loss."""
        return int(self._place[0])

    @property
    def first_row(self) -> int:
        """Index of this batch's first row among the accumulated rows."""
        return int(self._place[1])

    @property
    def masks(self) -> MaskDraw | None:
        """The dropout masks, or None."""
        return MaskDraw(float(self._rate[0]), self._key, int(self._place[2])) if self._rate[0] else None

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T) of the batch."""
        batch, length = self._shape.tolist()
        return batch, length

    @property
    def tokens(self) -> np.ndarray:
        """Inputs (B, T)."""
        batch, length = self.shape
        return self._tokens[: batch * length].reshape(batch, length)

    @property
    def targets(self) -> np.ndarray:
        """Targets (B, T)."""
        batch, length = self.shape
        return self._targets[: batch * length].reshape(batch, length)

    @property
    def logits(self) -> np.ndarray:
        """Scores (B, T, V)."""
        batch, length = self.shape
        return self._logits[: batch * length * self._vocab_size].reshape(batch, length, self._vocab_size)

    @property
    def token_losses(self) -> np.ndarray:
        """Cross-entropies (B, T), nats."""
        batch, length = self.shape
        return self._token_losses[: batch * length].reshape(batch, length)

    @property
    def step(self) -> AdamWStep:
        """The constants of the update."""
        return AdamWStep(*self._step.tolist())

    @step.setter
    def step(self, step: AdamWStep) -> None:
        self._step[:] = step

    def rows_of(self, worker: int, workers: int) -> slice:
        """Return a worker's rows of the batch."""
        return row_slices(self.shape[0], workers)[worker]


def row_slices(rows: int, workers: int) -> list[slice]:
    """Cut rows into one slice per worker, of nearly equal size."""
    bounds = [rows * index // workers for index in range(workers + 1)]
    return [slice(*bound) for bound in pairwise(bounds)]
