"""JAX on the CPU as in its tutorials, the peer ``jax-textbook``: one compiled function takes the whole step.

Forward, ``value_and_grad``, clipping and AdamW are one XLA program. Weights and moments are donated, so that it updates
them in place. Float32, with XLA's own number of threads.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.peers import jax_model
from bench.peers.jax_model import Weights
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine, OptimizerState, StepResult
from tinygpt.params import Arrays, is_decayed, parameter_shapes


class StepState(NamedTuple):
    """The state that a step replaces: weights, both moments, and the number of updates."""

    weights: Weights
    first_moment: Weights
    second_moment: Weights
    updates: Array


def update(
    state: StepState, tokens: Array, targets: Array, rate: Array, model: ModelConfig, train: TrainConfig
) -> tuple[StepState, Array, Array]:
    """Take a training step as a pure function; return the new state, the loss and the norm before clipping."""
    loss, grads = jax.value_and_grad(jax_model.loss)(state.weights, tokens, targets, model)
    norm = jnp.sqrt(sum(jnp.square(gradient).sum() for gradient in grads.values()))
    factor = jnp.minimum(1.0, train.grad_clip / (norm + 1e-6))
    beta1, beta2 = train.betas
    step = state.updates + 1
    correction1, correction2 = 1.0 - beta1**step, 1.0 - beta2**step
    weights, first, second = {}, {}, {}
    for name, weight in state.weights.items():
        gradient = grads[name] * factor
        first[name] = beta1 * state.first_moment[name] + (1.0 - beta1) * gradient
        second[name] = beta2 * state.second_moment[name] + (1.0 - beta2) * jnp.square(gradient)
        decay = train.weight_decay if is_decayed(weight.shape) else 0.0
        direction = (first[name] / correction1) / (jnp.sqrt(second[name] / correction2) + train.eps)
        weights[name] = weight * (1.0 - rate * decay) - rate * direction
    return StepState(weights, first, second, step), loss, norm


class JaxTextbookEngine(Engine):
    """GPT-2 in ``jax.numpy``, compiled by XLA."""

    name: ClassVar[str] = "jax-textbook"

    def __init__(self, model: ModelConfig, train: TrainConfig) -> None:
        super().__init__(model, train)
        shapes = parameter_shapes(model)

        def zeros() -> Weights:
            return {name: jnp.zeros(shape, jnp.float32) for name, shape in shapes.items()}

        self.state = StepState(zeros(), zeros(), zeros(), jnp.zeros((), jnp.int32))
        self._step = jax.jit(partial(update, model=model, train=train), donate_argnums=0)
        self._gradients = jax.jit(jax.value_and_grad(partial(jax_model.loss, model=model)))
        self._logits = jax.jit(partial(jax_model.logits, model=model))

    def options(self) -> dict[str, Any]:
        """Return the version."""
        return {"version": jax.__version__}

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        self._check_batch(inputs, targets)
        rate = np.float32(self.train.learning_rate if learning_rate is None else learning_rate)
        self.state, loss, norm = self._step(self.state, inputs.astype(np.int32), targets.astype(np.int32), rate)
        # JAX returns early: the step ends when its state is ready, not when its loss is.
        jax.block_until_ready(self.state)
        return StepResult(float(loss), float(norm))

    def loss_and_gradients(self, inputs: np.ndarray, targets: np.ndarray) -> tuple[float, Arrays]:
        self._check_batch(inputs, targets)
        loss, grads = self._gradients(self.state.weights, inputs.astype(np.int32), targets.astype(np.int32))
        return float(loss), self._arrays(grads)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        self._check_batch(inputs)
        return np.array(self._logits(self.state.weights, inputs.astype(np.int32)))

    def parameters(self) -> Arrays:
        """Copy the weights, because a donated buffer must have no other reader."""
        return self._arrays(self.state.weights)

    def optimizer_state(self) -> OptimizerState:
        first, second = self._arrays(self.state.first_moment), self._arrays(self.state.second_moment)
        return OptimizerState(int(self.state.updates), first, second)

    def load_optimizer_state(self, state: OptimizerState) -> None:
        self.state = StepState(
            self.state.weights,
            _device_arrays(state.first_moment),
            _device_arrays(state.second_moment),
            jnp.asarray(state.step, jnp.int32),
        )

    def _replace_parameters(self, state: Arrays) -> None:
        self.state = self.state._replace(weights=_device_arrays(state))

    def _arrays(self, values: Weights) -> Arrays:
        return {name: np.array(values[name]) for name in parameter_shapes(self.config)}


def _device_arrays(values: Arrays) -> Weights:
    """Copy into JAX's memory: a donated buffer that shared a NumPy array's memory would overwrite it."""
    return {name: jnp.array(value, jnp.float32, copy=True) for name, value in values.items()}
