"""Engine ``vectorized``: the fast NumExpr/NumPy engine, and the default.

The batch is cut into shards, one per worker. Each worker runs forward and backward on its rows and limits BLAS to its
share of the threads, so that all work is parallel, not only the products. Clipping and AdamW are tiled passes over a
flat arena, spread over the same workers.
"""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from tinygpt.arguments import whole_number
from tinygpt.config import OPTIMIZERS, ModelConfig, TrainConfig
from tinygpt.dropout import MaskDraw
from tinygpt.engines.base import Engine, StepResult
from tinygpt.engines.vectorized.arena import Allocate
from tinygpt.engines.vectorized.calibration import choose_kernels
from tinygpt.engines.vectorized.kernels import AdamWStep
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.mailbox import Mailbox, private_zeros, shared_zeros
from tinygpt.engines.vectorized.phases import Phase, Phases, VectorizedPhases
from tinygpt.engines.vectorized.team import ProcessTeam, Team, ThreadTeam
from tinygpt.errors import ConfigError, WorkerError, unknown_name
from tinygpt.optim import OptimizerState, clip_factor
from tinygpt.params import Arrays, parameter_shapes
from tinygpt.system.stopping import InterruptsDeferred
from tinygpt.system.threads import available_cores

TEAMS = {"threads": ThreadTeam, "processes": ProcessTeam}


def default_team() -> str:
    """Return ``processes`` where they can be forked and see each other's writes in order, else ``threads``."""
    ordered = platform.machine() in ("x86_64", "AMD64")
    return "processes" if ordered and platform.system() == "Linux" else "threads"


class VectorizedEngine(Engine):
    """GPT-2 in preallocated buffers, fused kernels and parallel shards.

    Args:
        threads: cores to use; by default all that this process may use.
        kernels: ``auto``, ``fastest``, ``numpy``, ``numexpr``, ``numba``, or a mixed choice such as ``numba:adamw``.
        team: ``threads`` or ``processes``; by default the faster one on this system.

    Raises:
        ConfigError: an option is out of range.
    """

    name: ClassVar[str] = "vectorized"
    has_dropout: ClassVar[bool] = True
    optimizers: ClassVar[tuple[str, ...]] = OPTIMIZERS
    can_freeze: ClassVar[bool] = True

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        threads: int | None = None,
        kernels: str = "auto",
        team: str | None = None,
    ) -> None:
        super().__init__(model, train)
        cores = available_cores()
        if threads is not None and whole_number("threads", threads, 1) > cores:
            warnings.warn(
                f"threads is {threads}, but this process may use {cores} cores: expect it to be slower", stacklevel=4
            )
        if team is not None and team not in TEAMS:
            raise unknown_name("team", team, TEAMS)
        self.threads = threads or cores
        self._choose_kernels(kernels)
        self.team = team or self._default_team()
        if self.team == "processes" and not hasattr(os, "fork"):
            raise ConfigError("team is 'processes', which this system cannot fork", "threads")
        self.updates = 0
        self._layout = self._new_layout()
        self._forked = self.team == "processes" and self._layout.workers > 1
        self._mailbox = self._new_mailbox(train.batch_size)
        self._phases = self._new_phases(shared_zeros if self._forked else private_zeros)
        self.arena = self._phases.arena
        self._team: Team | None = None
        self._interrupted = False

    # ---- the parts in which engine ``compiled`` differs --------------------------------------------------

    def _default_team(self) -> str:
        return default_team()

    def _choose_kernels(self, kernels: str) -> None:
        self.kernels = choose_kernels(kernels)

    def _new_layout(self) -> Layout:
        return Layout.of(self.config, self.train, self.threads)

    def _new_phases(self, allocate: Allocate) -> Phases[Any]:
        return VectorizedPhases(self.config, self.train, self._layout, self._mailbox, allocate, self.kernels)

    def _new_team(self) -> Team:
        make = ProcessTeam if self._forked else ThreadTeam
        return make(self._phases, self._layout.workers, self._layout.blas_threads)

    # ---- phases ------------------------------------------------------------------------------------------

    def _new_mailbox(self, rows: int) -> Mailbox:
        return Mailbox(rows, self.config.context_length, self.config.vocab_size, self._layout.workers)

    def options(self) -> dict[str, Any]:
        """Return the options with ``auto`` and defaults resolved, so that a resumed run repeats them."""
        return {"threads": self.threads, "kernels": self.kernels.spec, "team": self.team}

    def process_ids(self) -> tuple[int, ...]:
        return () if self._team is None else self._team.process_ids()

    def _run(self, phase: Phase) -> None:
        """Run a phase on every worker; an interrupt waits for its end.

        An interrupt or a lost worker in any phase but the update leaves the weights as they were. In the update it
        leaves weights that must not be used.

        Raises:
            WorkerError: an earlier update was interrupted, and no weights were loaded since.
        """
        if self._interrupted:
            raise WorkerError(
                "an earlier step of this engine was interrupted: its weights may be half updated",
                "newly loaded weights",
                "load_state_dict and load_optimizer_state, or invoke train --resume",
            )
        if self._team is None:  # workers start when first needed
            self._team = self._new_team()
        try:
            with InterruptsDeferred():
                self._team.run(phase)
        except BaseException:
            self._team, self._interrupted = None, phase is Phase.UPDATE
            self.arena.drop_accumulated()
            raise

    # ---- the interface -----------------------------------------------------------------------------------

    def _gradients(
        self, inputs: np.ndarray, targets: np.ndarray, parts: list[slice], masks: MaskDraw | None
    ) -> tuple[float, float]:
        """Return the mean loss and gradient norm over the parts of a batch; leave the sum in the first gradient."""
        self._check_batch(inputs, targets)
        largest = max(part.stop - part.start for part in parts)
        if largest * inputs.shape[1] > self._mailbox.capacity:
            self._team = None  # its workers use the old mailbox, and end
            self._mailbox = self._phases.mailbox = self._new_mailbox(largest)
        loss = 0.0
        for part in parts:
            self._mailbox.post(inputs[part], targets[part], inputs.size, part.start, masks)
            self._run(Phase.GRADIENTS)
            loss += float(self._mailbox.losses[: self._phases.n_active].sum()) / inputs.size
            if part is parts[-1]:
                self._run(Phase.REDUCE)
            elif not self._phases.accumulates_in_place:
                self._run(Phase.ACCUMULATE)
        return loss, float(np.sqrt(self._mailbox.squares.sum()))

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        loss, norm = self._gradients(inputs, targets, self._parts(len(inputs)), self._mask_draw(self.updates))
        rate = self.train.learning_rate if learning_rate is None else learning_rate
        with InterruptsDeferred():
            self.updates += 1
            self._mailbox.step = AdamWStep.at(self.updates, rate, clip_factor(norm, self.train.grad_clip), self.train)
            self._run(Phase.UPDATE)
        return StepResult(loss, norm)

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        loss, _ = self._gradients(inputs, targets, [slice(0, len(inputs))], None)
        return loss, {name: value.copy() for name, value in self.arena.gradients[0].items()}

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        self._check_batch(inputs)
        out = np.empty((*inputs.shape, self.config.vocab_size), np.float32)
        for part in self._posted(self._mailbox.scored, inputs):
            self._run(Phase.LOGITS)
            out[part] = self._mailbox.logits
        return out

    def token_losses(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self._check_batch(inputs, targets)
        out = np.empty(inputs.shape, np.float64)
        for part in self._posted(self._mailbox.capacity, inputs, targets):
            self._run(Phase.LOSSES)
            out[part] = self._mailbox.token_losses
        return out

    def _posted(self, most: int, inputs: np.ndarray, targets: np.ndarray | None = None) -> Iterator[slice]:
        """Post one part of a batch after the other, each with as many whole rows as ``most`` tokens allow."""
        rows = max(1, most // inputs.shape[1])
        for start in range(0, len(inputs), rows):
            part = slice(start, start + rows)
            self._mailbox.post(inputs[part], None if targets is None else targets[part])
            yield part

    def parameters(self) -> Arrays:
        return {name: self.arena.parameters[name] for name in parameter_shapes(self.config)}

    def adapter(self) -> Arrays:
        return {name: self.arena.parameters[name] for name in self.trained} if self.lora else {}

    def current_optimizer_state(self) -> OptimizerState:
        arena = self.arena
        return OptimizerState(self.updates, arena.views(arena.flat_first_moment), arena.views(arena.flat_second_moment))

    def optimizer_state(self) -> OptimizerState:
        state = self.current_optimizer_state()
        first, second = (
            {name: value.copy() for name, value in moment.items()}
            for moment in (state.first_moment, state.second_moment)
        )
        return OptimizerState(state.step, first, second)

    def _replace_parameters(self, state: Arrays) -> None:
        self.arena.fill(self.arena.flat_parameters, state)
        self._phases.refresh()
        self._interrupted = False

    def load_optimizer_state(self, state: OptimizerState) -> None:
        self.updates = state.step
        self.arena.fill(self.arena.flat_first_moment, state.first_moment)
        self.arena.fill(self.arena.flat_second_moment, state.second_moment)
