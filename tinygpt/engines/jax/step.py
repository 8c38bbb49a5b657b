"""A training step as one program: forward, backward, clipping, AdamW; and several of them in a loop.

    g = ∂loss/∂w · min(1, clip / (‖g‖ + 1e-6))
    m = β₁ m + (1 − β₁) g,  v = β₂ v + (1 − β₂) g²,  w = w (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)

(Loshchilov & Hutter 2019; the constants are those of ``tinygpt/optim.py``.) The state is donated, so that weights and
moments are updated where they lie.
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
    """What a step replaces: weights, both moments (the state's tree each), and the number of updates done."""

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
    """One step.

    Args:
        state: before.
        batch: inputs and targets (2, A·B, T), A batches accumulated.
        rate: η, a scalar.
        seed: of dropout; None where there is none.
        model: the model's shape.
        train: clipping and AdamW's constants.
        settings: how it is computed.

    Returns:
        the state after, and (2,): the loss before the update, and the gradient's norm before clipping.
    """
    # Every update draws its own zeros, the same ones when a run is resumed.
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

    triples = jax.tree.map(
        advance,
        state.weights,
        grads,
        state.first_moment,
        state.second_moment,
        decayed(model, settings),
    )
    weights, first, second = jax.tree.transpose(
        jax.tree.structure(state.weights), jax.tree.structure((0, 0, 0)), triples
    )
    return State(weights, first, second, step), jnp.stack([loss, norm])


def loss_and_gradients(
    weights: Tree, batch: Array, key: Array | None, model: ModelConfig, accumulation: int, settings: Settings
) -> tuple[Array, Tree]:
    """Mean loss over a batch (2, A·B, T) and its gradients, with the activations of a part of it at a time.

    A part takes every A-th row, so that each device of a mesh finds its share of every part among its own rows.
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

    nothing = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, weights))
    total, _ = lax.scan(add, nothing, (parts, jnp.arange(accumulation)))
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
    """Several steps, one after the other: batches (K, 2, B, T) and rates (K,) → the last state, and (K, 2)."""

    def step(state: State, each: tuple[Array, Array]) -> tuple[State, Array]:
        return update(state, *each, seed, model, train, settings)

    return lax.scan(step, state, (batches, rates))
