"""Conversion between named arrays and the trees that the programs use.

The forward reads the model's tree:

    {"wte.weight": (V, D), "wpe.weight": (T, D), "blocks": …, "ln_f.weight": (D,), "ln_f.bias": (D,)}

Under ``blocks``, unrolled: a list of L dictionaries ``attn.c_attn.weight`` → (D, 3 D), …; scanned: one dictionary with
a leading axis of layers, ``attn.c_attn.weight`` → (L, D, 3 D).

The devices hold the state's tree between steps, which is the model's tree or an arena:

    {"matrices": (all parameters with weight decay,), "vectors": (all others,)}

With an arena, clipping and AdamW are a few kernels in all instead of a few per parameter, and a call has two arrays as
arguments instead of hundreds. Gradients and moments have the state's tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.engines.jax.settings import Settings
from tinygpt.params import Arrays, is_decayed, parameter_shapes

Tree = dict[str, Any]
BLOCKS = "blocks"
MATRICES, VECTORS = "matrices", "vectors"


def to_tree(
    arrays: Mapping[str, Any], model: ModelConfig, scanned: bool, stack: Callable[[list[Any]], Any] = np.stack
) -> Tree:
    """Arrange values by name (arrays, shapes or other properties of parameters) in a tree; stack arrays if scanned."""
    layers = [
        {name.removeprefix(h): arrays[name] for name in parameter_shapes(model) if name.startswith(h)}
        for h in (f"h.{layer}." for layer in range(model.n_layers))
    ]
    tree: Tree = {name: arrays[name] for name in parameter_shapes(model) if not name.startswith("h.")}
    tree[BLOCKS] = {name: stack([layer[name] for layer in layers]) for name in layers[0]} if scanned else layers
    return tree


def from_tree(tree: Tree, model: ModelConfig) -> Arrays:
    """Return a tree's arrays by name."""
    blocks = tree[BLOCKS]
    named: Arrays = {}
    for name in parameter_shapes(model):
        if not name.startswith("h."):
            named[name] = tree[name]
            continue
        _, layer, short = name.split(".", 2)
        named[name] = blocks[short][int(layer)] if isinstance(blocks, dict) else blocks[int(layer)][short]
    return named


def to_state(arrays: Mapping[str, Any], model: ModelConfig, settings: Settings) -> Tree:
    """Arrange NumPy arrays by name in the state's tree."""
    if settings.arena:
        return _to_arena(arrays, model, np.concatenate)
    return to_tree(arrays, model, settings.scanned)


def from_state(state: Tree, model: ModelConfig) -> Arrays:
    """Return the arrays of a state's tree by name."""
    return _from_arena(state, model) if MATRICES in state else from_tree(state, model)


def as_model(state: Tree, model: ModelConfig) -> Tree:
    """Turn the state's tree into the model's, inside a program."""
    return to_tree(_from_arena(state, model), model, scanned=False) if MATRICES in state else state


def as_state(tree: Tree, model: ModelConfig, settings: Settings) -> Tree:
    """Turn the model's tree into the state's, inside a program."""
    return named_as_state(from_tree(tree, model), model, settings) if settings.arena else tree


def named_as_state(arrays: Mapping[str, Any], model: ModelConfig, settings: Settings) -> Tree:
    """Arrange JAX's arrays by name in the state's tree, inside a program."""
    if settings.arena:
        return _to_arena(arrays, model, jnp.concatenate)
    return to_tree(arrays, model, settings.scanned, jnp.stack)


def decayed(model: ModelConfig, settings: Settings) -> Tree:
    """Return a state's tree of booleans: which parameters have weight decay."""
    if settings.arena:
        return {MATRICES: True, VECTORS: False}
    flags = {name: is_decayed(shape) for name, shape in parameter_shapes(model).items()}
    tree = to_tree(flags, model, scanned=False)
    return tree | {BLOCKS: tree[BLOCKS][0]} if settings.scanned else tree


def _to_arena(arrays: Mapping[str, Any], model: ModelConfig, concatenate: Callable[[list[Any]], Any]) -> Tree:
    return {
        part: concatenate([arrays[name].reshape(-1) for name in shapes])
        for part, shapes in _arena_shapes(model).items()
    }


def _from_arena(arena: Tree, model: ModelConfig) -> Arrays:
    named: Arrays = {}
    for part, shapes in _arena_shapes(model).items():
        start = 0
        for name, shape in shapes.items():
            end = start + math.prod(shape)
            named[name] = arena[part][start:end].reshape(shape)
            start = end
    return named


def _arena_shapes(model: ModelConfig) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the names and shapes of each part of an arena, in order."""
    parts: dict[str, dict[str, tuple[int, ...]]] = {MATRICES: {}, VECTORS: {}}
    for name, shape in parameter_shapes(model).items():
        parts[MATRICES if is_decayed(shape) else VECTORS][name] = shape
    return parts
