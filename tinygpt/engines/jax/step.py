"""A training step as one program: forward, backward, clipping and AdamW or Muon; or several steps in a loop.

    dθ ← dθ · min(1, clip / (‖dθ‖ + 1e-6))
    m₁ ← β₁ m₁ + (1 − β₁) dθ            m₂ ← β₂ m₂ + (1 − β₂) dθ²
    θ ← θ (1 − η λ) − η (m₁ / (1 − β₁^τ)) / (√(m₂ / (1 − β₂^τ)) + ε)

(Loshchilov & Hutter 2019; the constants are those of ``tinygpt/optim.py``, Muon's are in ``tinygpt/muon.py``.)
The state is donated, so that weights and moments are updated in place.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from tinygpt import muon
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.jax import model as gpt2
from tinygpt.engines.jax.layout import Tree, as_model, as_state, decayed, from_state, named_as_state
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

    grads = jax.tree.map(lambda gradient: gradient * factor, grads)
    first = jax.tree.map(lambda m, g: beta1 * m + (1.0 - beta1) * g, state.first_moment, grads)
    second = jax.tree.map(lambda m, g: beta2 * m + (1.0 - beta2) * jnp.square(g), state.second_moment, grads)
    directions = jax.tree.map(lambda m, v: (m / correction1) / (jnp.sqrt(v / correction2) + train.eps), first, second)
    if train.optimizer == "muon":
        directions, second = _with_muon(directions, first, second, grads, model, train, settings)

    def advance(weight: Array, direction: Array, decays: bool) -> Array:
        shrunk = weight * (1.0 - rate * train.weight_decay) if decays else weight
        return shrunk - rate * direction

    weights = jax.tree.map(advance, state.weights, directions, decayed(model, settings))
    return State(weights, first, second, step), jnp.stack([loss, norm])


def _with_muon(
    directions: Tree, first: Tree, second: Tree, grads: Tree, model: ModelConfig, train: TrainConfig, settings: Settings
) -> tuple[Tree, Tree]:
    """Return the directions with Muon's for the blocks' matrices, and the second moments with zeros there."""
    momenta, gradients = from_state(first, model), from_state(grads, model)
    named: dict[str, Any] = from_state(directions, model)
    squares: dict[str, Any] = from_state(second, model)
    beta1 = train.betas[0]
    ahead: dict[tuple[int, ...], dict[str, list[Array]]] = {}  # shape of a matrix → name → matrices, to go together
    for name in filter(muon.is_orthogonalized, named):
        looked = beta1 * momenta[name] + (1.0 - beta1) * gradients[name]
        parts = jnp.split(looked, muon.n_matrices(name), axis=1)
        ahead.setdefault(parts[0].shape, {})[name] = parts
        squares[name] = jnp.zeros_like(squares[name])
    for shape, group in ahead.items():
        matrices = [part for parts in group.values() for part in parts]
        turned = iter(muon.scale(shape) * orthogonalize(jnp.stack(matrices), settings))
        named |= {name: jnp.concatenate([next(turned) for _ in parts], axis=1) for name, parts in group.items()}
    return named_as_state(named, model, settings), named_as_state(squares, model, settings)


def orthogonalize(matrices: Array, settings: Settings) -> Array:
    """Return the nearly orthogonal matrices with the same singular vectors, (n, I, O), as ``tinygpt/muon.py`` does.

    Together they are a few large products; one after the other, hundreds of small ones.
    """
    a, b, c = muon.COEFFICIENTS
    product = partial(jnp.matmul, precision=settings.arithmetic.precision)
    _, rows, columns = matrices.shape
    x = matrices if rows <= columns else matrices.mT
    x = x / (jnp.linalg.norm(x, axis=(1, 2), keepdims=True) + muon.SMALLEST)
    for _ in range(muon.ITERATIONS):
        square = product(x, x.mT)
        x = a * x + product(b * square + c * product(square, square), x)
    return x if rows <= columns else x.mT


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
