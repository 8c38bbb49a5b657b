"""Engine ``jax``: GPT-2 compiled by XLA for an accelerator, several of them, or several hosts.

The state stays on the devices; batches go in, and two numbers per step come out. If there are several processes, each
one calls the same methods in the same order; ``train_step`` then takes the process's own rows (``processes.rows``), all
other methods the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import jax
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding

from tinygpt.config import OPTIMIZERS, ModelConfig, TrainConfig
from tinygpt.engines.base import Engine, StepResult
from tinygpt.engines.jax import model as gpt2
from tinygpt.engines.jax.layout import Tree, as_model, as_state, from_state, to_state
from tinygpt.engines.jax.memory import available_bytes, needed_bytes, require_room
from tinygpt.engines.jax.mesh import (
    MeshShape,
    check_mesh,
    make_mesh,
    over_rows,
    own_rows,
    parse_mesh,
    replicated,
    tree_shardings,
)
from tinygpt.engines.jax.processes import JaxProcesses, runtime_errors
from tinygpt.engines.jax.settings import compiler_options, make_settings
from tinygpt.engines.jax.step import State, updates
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays, parameter_shapes

DEVICES = ("accelerator", "cpu")


class JaxEngine(Engine):
    """GPT-2 in ``jax.numpy``; arguments after ``train`` are a variant's options (``settings.py``, ``mesh.py``).

    Dropout masks are drawn on the devices: at the sites of ``tinygpt/dropout.py``, but with other zeros.

    Raises:
        ConfigError: there is no accelerator, the mesh does not fit the devices or the batch, or an option is unknown.
        CapacityError: a device has too little memory.
    """

    name: ClassVar[str] = "jax"
    has_dropout: ClassVar[bool] = True
    optimizers: ClassVar[tuple[str, ...]] = OPTIMIZERS

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        device: str = "accelerator",
        mesh: str = "",
        precision: str = "float32",
        layers: str = "auto",
        remat: bool = False,
        dispatch: int = 1,
    ) -> None:
        super().__init__(model, train)
        devices = find_devices(device)
        platform = devices[0].platform
        n_processes = jax.process_count()
        self.mesh_shape = parse_mesh(mesh) if mesh else MeshShape(len(devices) if n_processes > 1 else 1)
        cut = self.mesh_shape.fsdp > 1
        self.settings = make_settings(precision, layers, remat, dispatch, train.dropout, model.n_layers, platform, cut)
        self.steps_per_dispatch = dispatch
        check_mesh(self.mesh_shape, len(devices), train.batch_size, n_processes)
        own = next(entry for entry in devices if entry.process_index == jax.process_index())
        need = needed_bytes(model, train, self.mesh_shape, self.settings)
        require_room(need, available_bytes(own), f"a model of {model.n_parameters:,} parameters")
        self._device = device
        self._mesh = make_mesh(self.mesh_shape, devices)
        self.processes = JaxProcesses(n_processes, own_rows(self._mesh, train.rows_per_step))
        self._over_rows = over_rows(self._mesh, 2)
        self._shardings: Tree = tree_shardings(model, self._mesh, self.settings)
        self._state = self._empty_state()
        self._compile()

    def _compile(self) -> None:
        """Define the programs; XLA compiles each at its first call with a shape."""
        model, train, settings = self.config, self.train, self.settings
        state_shardings = jax.tree.map(lambda value: value.sharding, self._state)
        self._updates = jax.jit(
            partial(updates, model=model, train=train, settings=settings),
            donate_argnums=0,
            out_shardings=(state_shardings, replicated(self._mesh)),
            compiler_options=compiler_options(self._mesh.devices.flat[0].platform),
        )
        plain = partial(gpt2.loss, key=None, model=model, settings=settings)

        def loss(weights: Tree, tokens: Array, targets: Array) -> Array:
            return plain(as_model(weights, model), tokens, targets)

        def gradients(weights: Tree, tokens: Array, targets: Array) -> tuple[Array, Tree]:
            loss, grads = jax.value_and_grad(plain)(as_model(weights, model), tokens, targets)
            return loss, as_state(grads, model, settings)

        def logits(weights: Tree, tokens: Array) -> Array:
            return gpt2.logits(as_model(weights, model), tokens, model, settings)

        def token_losses(weights: Tree, tokens: Array, targets: Array) -> Array:
            return gpt2.token_losses(as_model(weights, model), tokens, targets, model, settings)

        self._loss = jax.jit(loss, out_shardings=replicated(self._mesh))
        self._gradients = jax.jit(gradients, out_shardings=(replicated(self._mesh), self._shardings))
        self._logits = jax.jit(logits, out_shardings=replicated(self._mesh))
        self._token_losses = jax.jit(token_losses, out_shardings=replicated(self._mesh))

    def options(self) -> dict[str, Any]:
        """Return the variant's options, including the defaults."""
        settings = self.settings
        return {
            "device": self._device,
            "mesh": str(self.mesh_shape),
            "precision": settings.precision,
            "layers": "scanned" if settings.scanned else "unrolled",
            "remat": settings.remat,
            "dispatch": settings.dispatch,
        }

    # ---- the interface -----------------------------------------------------------------------------------

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        """Take one training step; each of several processes passes its own rows."""
        if not (isinstance(inputs, np.ndarray) and isinstance(targets, np.ndarray) and inputs.ndim == 2):
            self._check_batch(inputs, targets)  # raises the error
        return self.train_steps(inputs[None], targets[None], None if learning_rate is None else [learning_rate])[0]

    def train_steps(
        self, inputs: np.ndarray, targets: np.ndarray, learning_rates: Sequence[float] | None = None
    ) -> list[StepResult]:
        """Take K training steps in one call of the program, which is compiled for each K."""
        count, own, t = inputs.shape
        self._check_batch(inputs.reshape(-1, t), targets.reshape(-1, t))
        rows = self.processes.rows
        if self.processes.count > 1 and own != rows.stop - rows.start:
            raise ConfigError(f"a batch of {own} rows in process {jax.process_index()}", f"rows {rows}")
        total = self.train.rows_per_step if self.processes.count > 1 else own
        parts = self.mesh_shape.size * self.train.accumulation
        if total % parts:
            raise ConfigError(f"a batch of {total} rows", f"a multiple of {parts}: devices times accumulation")
        token_type = np.uint8 if self.config.vocab_size <= 256 else np.int32  # the fewest bytes to send
        both = np.stack([inputs, targets], axis=1).astype(token_type)  # (K, 2, own rows, T)
        rates: Any = np.array(learning_rates or [self.train.learning_rate] * count, np.float32)
        seed: Any = np.uint32(self.seed % 2**32) if self.settings.dropout else None
        with runtime_errors():
            # Small arrays are passed as they are if possible: placing one explicitly takes as long as a small step.
            batches: Any = both
            if self.mesh_shape.size > 1:
                batches = jax.make_array_from_process_local_data(self._over_rows, both, (count, 2, total, t))
            if self.processes.count > 1:
                rates = self._everywhere(rates)
                seed = None if seed is None else self._everywhere(np.array(seed))
            self._state, metrics = self._updates(self._state, batches, rates, seed)
            losses_and_norms = np.asarray(metrics)  # waits until the last step is done
        return [StepResult(float(loss), float(norm)) for loss, norm in losses_and_norms]

    def loss(self, inputs: np.ndarray, targets: np.ndarray) -> float:
        self._check_batch(inputs, targets)
        with runtime_errors():
            return float(self._loss(self._state.weights, self._place_tokens(inputs), self._place_tokens(targets)))

    def token_losses(self, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        self._check_batch(inputs, targets)
        with runtime_errors():
            tokens = self._place_tokens(inputs), self._place_tokens(targets)
            losses = np.array(self._token_losses(self._state.weights, *tokens), np.float64)
        return losses.reshape(inputs.shape)

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        self._check_batch(inputs, targets)
        with runtime_errors():
            loss, grads = self._gradients(self._state.weights, self._place_tokens(inputs), self._place_tokens(targets))
            return float(loss), self._gathered(grads)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        self._check_batch(inputs)
        with runtime_errors():
            scores = np.array(self._logits(self._state.weights, self._place_tokens(inputs)))
        return scores.reshape(*inputs.shape, -1)

    def parameters(self) -> Arrays:
        """Copy the whole weights from the devices, for any mesh."""
        return self._gathered(self._state.weights)

    def optimizer_state(self) -> OptimizerState:
        first, second = self._gathered(self._state.first_moment), self._gathered(self._state.second_moment)
        return OptimizerState(int(self._state.updates), first, second)

    def load_optimizer_state(self, state: OptimizerState) -> None:
        self._state = State(
            self._state.weights,
            self._placed(state.first_moment),
            self._placed(state.second_moment),
            self._everywhere(np.array(state.step, np.int32)),
        )

    def _replace_parameters(self, state: Arrays) -> None:
        self._state = self._state._replace(weights=self._placed(state))

    # ---- between NumPy and the devices -------------------------------------------------------------------

    def _place_tokens(self, tokens: np.ndarray) -> Array:
        """Place tokens (B, T) that every process has: divided over the mesh if possible, else whole on each device."""
        rows = len(tokens) % self.mesh_shape.size == 0
        return _place(tokens.astype(np.int32), over_rows(self._mesh, 0) if rows else replicated(self._mesh))

    def _everywhere(self, value: np.ndarray) -> Array:
        return _place(value, replicated(self._mesh))

    def _empty_state(self) -> State:
        shapes = parameter_shapes(self.config)

        def zeros() -> Tree:
            # Views of one number, which allocate nothing on the host.
            return self._placed({name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()})

        return State(zeros(), zeros(), zeros(), self._everywhere(np.array(0, np.int32)))

    def _placed(self, arrays: Arrays) -> Tree:
        """Copy arrays to the devices: JAX might share a NumPy array's memory, and donation would overwrite it."""
        tree = to_state(arrays, self.config, self.settings)
        placed: Tree = jax.tree.map(_place, tree, self._shardings)
        return placed

    def _gathered(self, tree: Tree) -> Arrays:
        """Copy a tree's whole arrays to this process's memory."""
        with runtime_errors():
            return {
                name: np.array(value) for name, value in from_state(jax.tree.map(_fetch, tree), self.config).items()
            }


def find_devices(kind: str) -> list[jax.Device]:
    """Return the accelerators, or the CPU's devices for the kind ``cpu``.

    Raises:
        ConfigError: there is no accelerator; the CPU is never used instead.
    """
    if kind not in DEVICES:
        raise unknown_name("kind of device", kind, DEVICES)
    if kind == "cpu":
        return jax.devices("cpu")
    devices = jax.devices()
    if devices[0].platform == "cpu":
        raise ConfigError(
            f"JAX {jax.__version__} found no accelerator, only {len(devices)} CPU device{'s'[: len(devices) > 1]}",
            "a GPU or TPU with its JAX plugin (pip install 'jax[cuda13]'), the engine vectorized, or 'jax[device=cpu]'",
        )
    return devices


def _place(value: np.ndarray, sharding: NamedSharding) -> Array:
    """Copy an array that every process has, giving each device its part."""
    return jax.make_array_from_callback(value.shape, sharding, lambda part: np.array(value[part]))


def _fetch(value: Array) -> np.ndarray:
    if value.is_fully_addressable or value.is_fully_replicated:
        return np.asarray(value)
    return np.asarray(multihost_utils.process_allgather(value, tiled=True))
