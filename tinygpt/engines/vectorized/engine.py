"""Engine ``vectorized``: the NumExpr/NumPy engine, the default and the fast one.

The batch is cut into shards, one per thread. Each thread runs forward and backward on its rows with BLAS held
to one thread: ufuncs and products release the interpreter's lock, so everything runs in parallel, and not the
products alone. Clipping and AdamW are tiled passes over the flat arena, spread over the same threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.base import Engine, OptimizerState, StepResult
from tinygpt.engines.vectorized.arena import Arena
from tinygpt.engines.vectorized.kernels import TILE, AdamWStep, choose_kernels
from tinygpt.engines.vectorized.shard import Shard
from tinygpt.errors import ConfigError
from tinygpt.optim import clip_factor
from tinygpt.params import Arrays
from tinygpt.threads import available_cores

Result = Any


class VectorizedEngine(Engine):
    """GPT-2 in preallocated buffers, fused kernels and threads.

    Args:
        model: the model's shape.
        train: batch and optimiser settings.
        threads: how many; the cores this process may use when omitted.
        kernels: ``auto``, ``numpy``, ``numexpr``, or a mixed choice such as ``numexpr:adamw``.

    Raises:
        ConfigError: ``threads`` is below 1, or ``kernels`` is not one of these.
    """

    name: ClassVar[str] = "vectorized"

    def __init__(
        self, model: ModelConfig, train: TrainConfig, threads: int | None = None, kernels: str = "auto"
    ) -> None:
        super().__init__(model, train)
        if threads is not None and threads < 1:
            raise ConfigError(f"threads is {threads}", "1 or more")
        self.threads = threads or available_cores()
        self.kernels = choose_kernels(kernels)
        # More workers than rows would have nothing to do; BLAS takes the threads that are left over.
        self.workers = min(self.threads, train.batch_size)
        self.arena = Arena(model, self.workers)
        self.updates = 0
        self._scratch = [np.empty(TILE, np.float32) for _ in range(self.workers)]
        self._shards: dict[tuple[int, int], list[Shard]] = {}
        self._blas = ThreadpoolController()
        self._pool = ThreadPoolExecutor(max(1, self.workers - 1), thread_name_prefix="tinygpt")

    def options(self) -> dict[str, Any]:
        """Threads, and the kernels' forms as they were resolved, so that a resumed run repeats them."""
        return {"threads": self.threads, "kernels": self.kernels.spec}

    # ---- spreading work ----------------------------------------------------------------------------------

    def _spread(self, count: int, work: Callable[[int], Result]) -> list[Result]:
        """Run work(0) … work(count − 1), the first one here and the others in the pool; results in order."""
        with self._blas.limit(limits=max(1, self.threads // count), user_api="blas"):
            others = [self._pool.submit(work, index) for index in range(1, count)]
            first = work(0)
            return [first, *(future.result() for future in others)]

    def _shards_for(self, batch: int, length: int) -> list[tuple[slice, Shard]]:
        """The workspaces of a batch shape with the rows each one takes; made once per shape."""
        workers = min(self.workers, batch)
        bounds = [batch * index // workers for index in range(workers + 1)]
        rows = [slice(start, stop) for start, stop in pairwise(bounds)]
        key = (batch, length)
        if key not in self._shards:
            training_shape = (self.train.batch_size, self.model.context_length)
            # Keep the training shape's buffers, and at most one other shape's beside them.
            self._shards = {k: v for k, v in self._shards.items() if k == training_shape}
            self._shards[key] = [Shard(self.model, part.stop - part.start, length, self.kernels) for part in rows]
        return list(zip(rows, self._shards[key], strict=True))

    # ---- the interface -----------------------------------------------------------------------------------

    def _gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Mean loss and gradient norm; the reduced gradient is left in the arena's first gradient."""
        self._check_batch(inputs, targets)
        shards = self._shards_for(*inputs.shape)
        arena, positions = self.arena, inputs.size

        def shard_work(index: int) -> float:
            rows, shard = shards[index]
            return shard.forward_backward(
                arena.parameters, arena.gradients[index], inputs[rows], targets[rows], positions
            )

        losses = self._spread(len(shards), shard_work)
        for unused in arena.flat_gradients[len(shards) :]:  # a batch with fewer rows than workers
            unused[...] = 0.0
        squares = self._spread(self.workers, lambda i: arena.reduce_tiles(arena.tiles(i, self.workers)))
        return sum(losses) / positions, float(np.sqrt(sum(squares)))

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        """See :meth:`Engine.train_step`."""
        loss, norm = self._gradients(inputs, targets)
        self.updates += 1
        rate = self.train.learning_rate if learning_rate is None else learning_rate
        step = AdamWStep.at(self.updates, rate, clip_factor(norm, self.train.grad_clip), self.train)
        arena = self.arena

        def update_work(index: int) -> None:
            arena.update_tiles(arena.tiles(index, self.workers), step, self.kernels, self._scratch[index])

        self._spread(self.workers, update_work)
        return StepResult(loss, norm)

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        """See :meth:`Engine.loss_and_gradients`."""
        loss, _ = self._gradients(inputs, targets)
        return loss, {name: value.copy() for name, value in self.arena.gradients[0].items()}

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """See :meth:`Engine.logits`."""
        self._check_batch(inputs)
        shards = self._shards_for(*inputs.shape)
        out = np.empty((*inputs.shape, self.model.vocab_size), np.float32)

        def shard_work(index: int) -> None:
            rows, shard = shards[index]
            out[rows] = shard.forward(self.arena.parameters, inputs[rows]).reshape(out[rows].shape)

        self._spread(len(shards), shard_work)
        return out

    def parameters(self) -> Arrays:
        """See :meth:`Engine.parameters`."""
        return dict(self.arena.parameters)

    def optimizer_state(self) -> OptimizerState:
        """See :meth:`Engine.optimizer_state`."""
        arena = self.arena
        return OptimizerState(
            self.updates,
            {name: value.copy() for name, value in arena.views(arena.flat_first_moment).items()},
            {name: value.copy() for name, value in arena.views(arena.flat_second_moment).items()},
        )

    def _replace_parameters(self, state: Arrays) -> None:
        self.arena.fill(self.arena.flat_parameters, state)

    def load_optimizer_state(self, state: OptimizerState) -> None:
        """See :meth:`Engine.load_optimizer_state`."""
        self.updates = state.step
        self.arena.fill(self.arena.flat_first_moment, state.first_moment)
        self.arena.fill(self.arena.flat_second_moment, state.second_moment)
