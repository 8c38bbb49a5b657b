"""What the workers of an engine hand each other: the batch, the step's numbers, and what came out.

Arrays in memory that every worker sees, whether workers are threads or processes.
"""

from __future__ import annotations

import mmap
from itertools import pairwise

import numpy as np

from tinygpt.dropout import MaskDraw
from tinygpt.engines.vectorized.kernels import AdamWStep


def private_zeros(size: int) -> np.ndarray:
    """Zeroed float32 numbers of this process alone."""
    return np.zeros(size, np.float32)


def shared_zeros(size: int) -> np.ndarray:
    """Zeroed float32 numbers that processes forked from this one see too."""
    return np.frombuffer(mmap.mmap(-1, max(1, size) * 4), np.float32, size)


class Mailbox:
    """Room for batches of up to ``rows`` × ``length`` tokens.

    Args:
        rows: B at most.
        length: T at most.
        vocab_size: V.
        workers: how many results there are.
    """

    def __init__(self, rows: int, length: int, vocab_size: int, workers: int) -> None:
        def integers(size: int) -> np.ndarray:
            return shared_zeros(2 * size).view(np.int64)

        self.capacity = rows * length
        self._tokens, self._targets, self._shape = integers(self.capacity), integers(self.capacity), integers(2)
        self._logits, self._vocab_size = shared_zeros(self.capacity * vocab_size), vocab_size
        self._step = shared_zeros(2 * 7).view(np.float64)
        self._place, self._rate = integers(3), shared_zeros(2).view(np.float64)
        self._key = shared_zeros(2 * 2).view(np.uint64)
        self.losses = shared_zeros(2 * workers).view(np.float64)
        self.squares = shared_zeros(2 * workers).view(np.float64)

    def post(
        self,
        tokens: np.ndarray,
        targets: np.ndarray | None = None,
        positions: int = 0,
        first_row: int = 0,
        masks: MaskDraw | None = None,
    ) -> None:
        """Put a batch in, (B, T).

        Args:
            tokens: to read.
            targets: what follows them.
            positions: over which the loss is a mean, those of accumulated batches included; this batch's when 0.
            first_row: number of this batch's first row among all those.
            masks: of dropout.
        """
        self._shape[:] = tokens.shape
        self.tokens[...] = tokens
        if targets is not None:
            self.targets[...] = targets
        self._place[:] = positions or tokens.size, first_row, 0 if masks is None else masks.step
        self._rate[0] = 0.0 if masks is None else masks.rate
        if masks is not None:
            self._key[:] = masks.key

    @property
    def positions(self) -> int:
        """Over which the loss is a mean."""
        return int(self._place[0])

    @property
    def first_row(self) -> int:
        """Of this batch among those that are accumulated."""
        return int(self._place[1])

    @property
    def masks(self) -> MaskDraw | None:
        """Of dropout; None without."""
        return MaskDraw(float(self._rate[0]), self._key, int(self._place[2])) if self._rate[0] else None

    @property
    def shape(self) -> tuple[int, int]:
        """(B, T) of the batch."""
        batch, length = self._shape.tolist()
        return batch, length

    @property
    def tokens(self) -> np.ndarray:
        """(B, T)."""
        batch, length = self.shape
        return self._tokens[: batch * length].reshape(batch, length)

    @property
    def targets(self) -> np.ndarray:
        """(B, T)."""
        batch, length = self.shape
        return self._targets[: batch * length].reshape(batch, length)

    @property
    def logits(self) -> np.ndarray:
        """(B, T, V)."""
        batch, length = self.shape
        return self._logits[: batch * length * self._vocab_size].reshape(batch, length, self._vocab_size)

    @property
    def step(self) -> AdamWStep:
        """The update's numbers."""
        return AdamWStep(*self._step.tolist())

    @step.setter
    def step(self, step: AdamWStep) -> None:
        self._step[:] = (step.clip, step.beta1, step.beta2, step.rate, step.v_scale, step.eps, step.decay)

    def rows_of(self, worker: int, workers: int) -> slice:
        """The rows of the batch that a worker takes."""
        return row_slices(self.shape[0], workers)[worker]


def row_slices(rows: int, workers: int) -> list[slice]:
    """Cut rows into one stretch per worker, as equal as can be."""
    bounds = [rows * index // workers for index in range(workers + 1)]
    return [slice(*bound) for bound in pairwise(bounds)]
