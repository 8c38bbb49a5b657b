"""Named arrays ↔ the tree that the programs work on.

    {"wte.weight": (V, D), "wpe.weight": (T, D), "blocks": …, "ln_f.weight": (D,), "ln_f.bias": (D,)}

Under ``blocks``, unrolled: a list of L dictionaries ``attn.c_attn.weight`` → (D, 3 D), …; scanned: one dictionary with
a leading axis of layers, ``attn.c_attn.weight`` → (L, D, 3 D). Gradients and moments have the weights' tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.params import Arrays, is_decayed, parameter_shapes

Tree = dict[str, Any]
BLOCKS = "blocks"


def to_tree(arrays: Mapping[str, Any], model: ModelConfig, scanned: bool) -> Tree:
    """Values by name (arrays, shapes, whatever belongs to a parameter) as a tree; arrays are stacked if scanned."""
    layers = [
        {name.removeprefix(f"h.{layer}."): arrays[name] for name in parameter_shapes(model) if _is_of(name, layer)}
        for layer in range(model.n_layers)
    ]
    tree: Tree = {name: arrays[name] for name in parameter_shapes(model) if not name.startswith("h.")}
    tree[BLOCKS] = {name: np.stack([layer[name] for layer in layers]) for name in layers[0]} if scanned else layers
    return tree


def from_tree(tree: Tree, model: ModelConfig) -> Arrays:
    """The inverse, for arrays in this process's memory."""
    blocks = tree[BLOCKS]
    named: Arrays = {}
    for name in parameter_shapes(model):
        if not name.startswith("h."):
            named[name] = tree[name]
            continue
        _, layer, short = name.split(".", 2)
        named[name] = blocks[short][int(layer)] if isinstance(blocks, dict) else blocks[int(layer)][short]
    return named


def decayed(model: ModelConfig, scanned: bool) -> Tree:
    """A tree of yes and no: to what weight decay applies."""
    flags = {name: is_decayed(shape) for name, shape in parameter_shapes(model).items()}
    tree = to_tree(flags, model, scanned=False)
    return tree | {BLOCKS: tree[BLOCKS][0]} if scanned else tree


def _is_of(name: str, layer: int) -> bool:
    return name.startswith(f"h.{layer}.")
