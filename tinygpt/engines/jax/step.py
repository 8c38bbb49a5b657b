"""A training step as one program: forward, backward, clipping and AdamW; or several steps in a loop.

    dθ ← dθ · min(1, clip / (‖dθ‖ + 1e-6))
    m₁ ← β₁ m₁ + (1 − β₁) dθ            m₂ ← β₂ m₂ + (1 − β₂) dθ²
    θ ← θ (1 − η λ) − η (m₁ / (1 − β₁^τ)) / (√(m₂ / (1 − β₂^τ)) + ε)

(Loshchilov & Hutter 2019; the constants are those of ``tinygpt/optim.py``.) The state is donated, so that weights and
moments are updated in place.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.jax import model as gpt2
from tinygpt.engines.jax.layout import Tree, as_model, as_state, decayed
from tinygpt.engines.jax.settings import Settings


class State(NamedTuple):
    """Weights and both moments, each a state's tree, and the number of updates so far."""

    weights: Tree
    first_moment: Tree
    second_moment: Tree
    updates: Array


def update(
    state: State,
    batch: Array,
    rate: Array,
    seed: Array | None,
    model: ModelConfig,
    train: TrainConfig,
    settings: Settings,
) -> tuple[State, Array]:
    """Take one step.

    Args:
        batch: inputs and targets (2, A·B, T), A batches accumulated.
        rate: η, a scalar.
        seed: seed of the dropout masks; None without dropout.

    Returns:
        the new state, and an array (2,): the loss before the update, and the gradient's norm before clipping.
    """
    # Every update has its own masks, and a resumed run draws the same ones.
    key = None if seed is None else jax.random.fold_in(jax.random.key(seed), state.updates)
    weights = as_model(state.weights, model)
    loss, grads = loss_and_gradients(weights, batch, key, model, train.accumulation, settings)
    grads = as_state(grads, model, settings)
    norm = jnp.sqrt(sum(jnp.square(gradient).sum() for gradient in jax.tree.leaves(grads)))
    factor = jnp.minimum(1.0, train.grad_clip / (norm + 1e-6))
    beta1, beta2 = train.betas
    step = state.updates + 1
    correction1, correction2 = 1.0 - beta1**step, 1.0 - beta2**step

    def advance(
        weight: Array, gradient: Array, first: Array, second: Array, decays: bool
    ) -> tuple[Array, Array, Array]:
        gradient = gradient * factor
        first = beta1 * first + (1.0 - beta1) * gradient
        second = beta2 * second + (1.0 - beta2) * jnp.square(gradient)
        direction = (first / correction1) / (jnp.sqrt(second / correction2) + train.eps)
        shrunk = weight * (1.0 - rate * train.weight_decay) if decays else weight
        return shrunk - rate * direction, first, second

    moments = state.first_moment, state.second_moment
    triples = jax.tree.map(advance, state.weights, grads, *moments, decayed(model, settings))
    structure = jax.tree.structure(state.weights)
    weights, first, second = jax.tree.transpose(structure, jax.tree.structure((0, 0, 0)), triples)
    return State(weights, first, second, step), jnp.stack([loss, norm])


def loss_and_gradients(
    weights: Tree, batch: Array, key: Array | None, model: ModelConfig, accumulation: int, settings: Settings
) -> tuple[Array, Tree]:
    """Return the mean loss over a batch (2, A·B, T) and its gradients, computed a part at a time to save activations.

    A part is every A-th row, so that each device of a mesh has rows of every part.
    """
    value_and_gradient = jax.value_and_grad(gpt2.loss)
    tokens = batch.astype(jnp.int32)
    if accumulation == 1:
        return value_and_gradient(weights, *tokens, key, model, settings)
    _, rows, t = tokens.shape
    parts = jnp.moveaxis(tokens.reshape(2, rows // accumulation, accumulation, t), 2, 0)  # (A, 2, B, T)

    def add(total: tuple[Array, Tree], each: tuple[Array, Array]) -> tuple[tuple[Array, Tree], None]:
        part, index = each
        own = None if key is None else jax.random.fold_in(key, index)
        return jax.tree.map(jnp.add, total, value_and_gradient(weights, *part, own, model, settings)), None

    zeros = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, weights))
    total, _ = lax.scan(add, zeros, (parts, jnp.arange(accumulation)))
    mean: tuple[Array, Tree] = jax.tree.map(lambda value: value / accumulation, total)
    return mean


def updates(
    state: State,
    batches: Array,
    rates: Array,
    seed: Array | None,
    model: ModelConfig,
    train: TrainConfig,
    settings: Settings,
) -> tuple[State, Array]:
    """Take several steps: batches (K, 2, B, T) and rates (K,) → the last state, and (K, 2) losses and norms."""

    def step(state: State, each: tuple[Array, Array]) -> tuple[State, Array]:
        return update(state, *each, seed, model, train, settings)

    return lax.scan(step, state, (batches, rates))
