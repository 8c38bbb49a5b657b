"""The phases of a step, and each worker's part of them.

    GRADIENTS   forward and backward on the worker's rows of the batch
    ACCUMULATE  over the worker's range of the arena: add the gradients to a sum, if another batch follows
    REDUCE      over the worker's range of the arena: sum the gradients, finish those of folded weights, square
    UPDATE      over the same range: clip, AdamW or Muon, fold the new weights
    LOGITS      forward on the worker's rows
    LOSSES      the same, and each token's cross-entropy

All workers wait for each other between two phases. A phase reads its arguments from the mailbox and writes its results
to the mailbox or the arena.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import ClassVar, Generic, TypeVar

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.vectorized.arena import Allocate, Arena
from tinygpt.engines.vectorized.forms import KernelSet
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.mailbox import Mailbox, row_slices
from tinygpt.engines.vectorized.shard import Shard, layer_projections
from tinygpt.muon import is_orthogonalized, muon_update

Room = TypeVar("Room")


class Phase(IntEnum):
    """A part of a step."""

    GRADIENTS = 0
    REDUCE = 1
    UPDATE = 2
    LOGITS = 3
    ACCUMULATE = 4
    LOSSES = 5


class Phases(ABC, Generic[Room]):
    """The model in memory that ``allocate`` shares among the workers, and the work of each phase on it.

    A subclass does the work, for rows of the batch in a workspace of its own kind, ``Room``.
    """

    accumulates_in_place: ClassVar[bool] = False  # GRADIENTS adds to the earlier batches' gradients itself

    def __init__(
        self, model: ModelConfig, train: TrainConfig, layout: Layout, mailbox: Mailbox, allocate: Allocate
    ) -> None:
        self.model, self.train, self.layout, self.mailbox = model, train, layout, mailbox
        sums = train.accumulation > 1 and not self.accumulates_in_place
        self.arena = Arena(model, layout.gradients, allocate, sums, train)
        self._ranges = [self.arena.worker_range(worker, layout.workers) for worker in range(layout.workers)]
        orthogonalized = [name for name in self.arena.trained if train.optimizer == "muon" and is_orthogonalized(name)]
        self._matrices = [
            [name for name in orthogonalized if owned.start <= self.arena.slices[name].start < owned.stop]
            for owned in self._ranges
        ]
        self._momenta = self.arena.views(self.arena.flat_first_moment)
        # Per worker, because threads share this object: (rows, length) → workspace.
        self._rooms: list[dict[tuple[int, int], Room]] = [{} for _ in self._ranges]

    @abstractmethod
    def __call__(self, phase: int, worker: int) -> None:
        """Run a worker's part of a phase."""

    @property
    def n_active(self) -> int:
        """Number of workers with rows of the batch."""
        return min(self.layout.shards, self.mailbox.shape[0])

    def room(self, worker: int) -> tuple[slice, Room]:
        """Return the worker's rows and its workspace for them, which is made once per shape."""
        rows, length = self.mailbox.rows_of(worker, self.n_active), self.mailbox.shape[1]
        rooms, key = self._rooms[worker], (rows.stop - rows.start, length)
        if key not in rooms:
            # Keep the buffers of the training shape, and those of at most one other shape.
            part = row_slices(self.train.batch_size, self.layout.shards)[worker]
            for other in rooms.keys() - {(part.stop - part.start, self.model.context_length)}:
                del rooms[other]
            rooms[key] = self._new_room(worker, *key)
        return rows, rooms[key]

    def refresh(self) -> None:
        """Prepare the parameters for the phases after they were replaced."""

    def _update_matrices(self, worker: int) -> None:
        """Update the matrices in a worker's range that Muon updates."""
        step, arena = self.mailbox.step, self.arena
        for name in self._matrices[worker]:
            gradient = arena.gradients[0][name]
            gradient *= np.float32(step.clip)
            muon_update(name, arena.parameters[name], gradient, self._momenta[name], step.learning_rate, self.train)

    @abstractmethod
    def _new_room(self, worker: int, rows: int, length: int) -> Room:
        """Make a worker's workspace for rows of a length."""


class VectorizedPhases(Phases[Shard]):
    """The phases with NumPy's calls and fused kernels."""

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        layout: Layout,
        mailbox: Mailbox,
        allocate: Allocate,
        kernels: KernelSet,
    ) -> None:
        super().__init__(model, train, layout, mailbox, allocate)
        self.kernels = kernels
        self.projections = layer_projections(model, self.arena, allocate if layout.folded else None)
        self._every_pair = [pair for layer in self.projections for pair in (layer.attention, layer.mlp)]
        self._tiles = [self.arena.tiles(owned) for owned in self._ranges]
        self._adamw_tiles = [
            self.arena.tiles(owned, names) for owned, names in zip(self._ranges, self._matrices, strict=True)
        ]
        starts = [self.arena.slices[f"{pair.names.norm}.weight"].start for pair in self._every_pair]
        self._pairs = [
            [pair for pair, start in zip(self._every_pair, starts, strict=True) if owned.start <= start < owned.stop]
            for owned in self._ranges
        ]
        self._scratch = [np.empty(TILE, np.float32) for _ in self._ranges]
        self._work = {
            Phase.GRADIENTS: self._gradients,
            Phase.REDUCE: self._reduce,
            Phase.UPDATE: self._update,
            Phase.LOGITS: self._logits,
            Phase.ACCUMULATE: self._accumulate,
            Phase.LOSSES: self._losses,
        }

    def __call__(self, phase: int, worker: int) -> None:
        self._work[Phase(phase)](worker)

    def refresh(self) -> None:
        for pair in self._every_pair:
            pair.refresh()

    def _new_room(self, worker: int, rows: int, length: int) -> Shard:
        return Shard(
            self.model, self.arena, self.projections, rows, length, self.kernels, worker, self.train.dropout > 0
        )

    def _gradients(self, worker: int) -> None:
        if worker < self.n_active:
            rows, shard = self.room(worker)
            box, masks = self.mailbox, self.mailbox.masks
            if masks is not None:
                shard.draw_masks(masks, box.first_row + rows.start)
            box.losses[worker] = shard.forward_backward(
                box.tokens[rows], box.targets[rows], box.positions, masks is not None
            )

    def _accumulate(self, worker: int) -> None:
        tiles = self._tiles[worker]
        self.arena.reduce(tiles, self.n_active)
        self.arena.accumulate(tiles)

    def _reduce(self, worker: int) -> None:
        tiles = self._tiles[worker]
        self.arena.reduce(tiles, self.n_active)
        self.arena.add_accumulated(tiles)
        for pair in self._pairs[worker]:
            pair.finish()
        self.mailbox.squares[worker] = self.arena.squared_norm(tiles)

    def _update(self, worker: int) -> None:
        self.arena.update(self._adamw_tiles[worker], self.mailbox.step, self.kernels, self._scratch[worker])
        self._update_matrices(worker)
        for pair in self._pairs[worker]:
            pair.refresh()

    def _logits(self, worker: int) -> None:
        if worker < self.n_active:
            rows, shard = self.room(worker)
            shard.forward(self.mailbox.tokens[rows])
            shard.logits(slice(None), self.mailbox.logits[rows].reshape(-1, self.model.vocab_size))

    def _losses(self, worker: int) -> None:
        if worker < self.n_active:
            rows, shard = self.room(worker)
            shard.forward(self.mailbox.tokens[rows])
            losses = shard.token_losses(self.mailbox.targets[rows])
            self.mailbox.token_losses[rows] = losses.reshape(-1, self.mailbox.shape[1])
