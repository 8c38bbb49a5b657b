"""A worker's part of each phase, compiled; arena, ranges and mailbox are those of ``vectorized``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.compiled.blas import find_sgemm
from tinygpt.engines.compiled.job import Job, work
from tinygpt.engines.compiled.waiting import find_pauses
from tinygpt.engines.compiled.workspace import Workspace, make_workspace
from tinygpt.engines.loops.compiling import prepare
from tinygpt.engines.loops.update import DECAYED, MUON, PLAIN
from tinygpt.engines.vectorized.arena import Allocate
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.mailbox import Mailbox
from tinygpt.engines.vectorized.phases import Phase, Phases
from tinygpt.params import is_decayed
from tinygpt.score_blocks import block_count

Array = np.ndarray

_NO_TEAM = np.zeros(1, np.int64)


class CompiledPhases(Phases[Workspace]):
    """The phases with compiled passes, sums and updates. They are compiled here, or read from the cache."""

    accumulates_in_place: ClassVar[bool] = True

    def __init__(
        self, model: ModelConfig, train: TrainConfig, layout: Layout, mailbox: Mailbox, allocate: Allocate
    ) -> None:
        super().__init__(model, train, layout, mailbox, allocate)
        self._parts = [self._parts_of(worker) for worker in range(layout.workers)]
        self._idle = make_workspace(model, self.arena, 1, 1, dropout=False)
        find_sgemm()
        find_pauses()
        prepare(work, self.idle_job(0), 0, _NO_TEAM, 0)

    def __call__(self, phase: int, worker: int) -> None:
        self.begin(Phase(phase), worker)
        work(self.job(worker), int(phase), _NO_TEAM, 0)  # an enumeration would be compiled apart

    def needs_python(self, phase: Phase) -> bool:
        """Return whether a worker has something to begin a phase with."""
        if phase is Phase.UPDATE:
            return self.train.optimizer == "muon"
        return phase is Phase.GRADIENTS and self.mailbox.masks is not None

    def begin(self, phase: Phase, worker: int) -> None:
        """Draw the masks of the worker's rows, if there is dropout, or update the matrices of its range with Muon."""
        if phase is Phase.UPDATE:
            self._update_matrices(worker)
        masks = self.mailbox.masks
        if phase is Phase.GRADIENTS and masks is not None and worker < self.n_active:
            rows, workspace = self.room(worker)
            drawn = workspace.masks.reshape(len(workspace.masks), workspace.batch, -1, self.model.d_model)
            masks.fill(drawn, self.mailbox.first_row + rows.start)

    def job(self, worker: int) -> Job:
        """Return a worker's arrays, with its workspace for the batch in the mailbox."""
        if worker >= self.n_active:
            return self.idle_job(worker)
        batch, length = self.mailbox.shape
        rows = -(-batch // self.n_active) * length  # of the worker that has most
        return self._job(worker, self.room(worker)[1], block_count(rows, self.model.vocab_size))

    def idle_job(self, worker: int) -> Job:
        """Return the arrays of a worker without rows."""
        return self._job(worker, self._idle, 1)

    def _job(self, worker: int, workspace: Workspace, blocks: int) -> Job:
        arena = self.arena
        return Job(
            workspace, worker, self.layout.shards, blocks, self.train.accumulation > 1, arena.flat_parameters,
            arena.stacked_gradients, arena.flat_first_moment, arena.flat_second_moment, self._parts[worker],
            *self.mailbox.arrays,
        )  # fmt: skip

    def _parts_of(self, worker: int) -> Array:
        """Cut a worker's range into parts: (parts, 3) of start, stop, and the kind of update."""
        owned, parts = self._ranges[worker], []
        for name, part in self.arena.slices.items():
            start, stop = max(part.start, owned.start), min(part.stop, owned.stop)
            kind = DECAYED if is_decayed(self.arena.shapes[name]) else PLAIN
            parts.append((start, stop, MUON if name in self._matrices[worker] else kind))
        return np.array([part for part in parts if part[0] < part[1]], np.int64).reshape(-1, 3)

    def _new_room(self, worker: int, rows: int, length: int) -> Workspace:  # noqa: ARG002 (one signature for all)
        return make_workspace(self.model, self.arena, rows, length, self.train.dropout > 0)
