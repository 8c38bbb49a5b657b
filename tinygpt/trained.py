"""The parameters that training changes: all of them, some modules, or a LoRA adapter. All others are frozen.

``--train-only h.10-11,ln_f,wte`` selects modules by the names that transformers has for them: a range of layers, a part
such as ``h.0-3.attn``, or ``*`` in place of any text, as in ``h.*.ln_1``. A module's weight and bias go together.

A frozen parameter has no gradient and no moments, and the backward ends at the lowest layer that is trained.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.lora import adapter_shapes
from tinygpt.params import parameter_shapes

EMBEDDINGS = -1  # below layer 0

_RANGE = re.compile(r"(\d{1,4})-(\d{1,4})")
_LAYER = re.compile(r"h\.(\d+)\.")


def trained_shapes(model: ModelConfig, train: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Return name → shape of every array that training changes, in data-flow order.

    Raises:
        ConfigError: ``train_only`` names no module of the model.
    """
    shapes = parameter_shapes(model)
    if train.adapter is not None:
        return adapter_shapes(shapes, train.adapter)
    if not train.train_only:
        return shapes
    chosen = _chosen_modules(train.train_only, {name.rpartition(".")[0] for name in shapes}, model.n_layers)
    return {name: shape for name, shape in shapes.items() if name.rpartition(".")[0] in chosen}


def _chosen_modules(patterns: str, modules: set[str], n_layers: int) -> set[str]:
    """Return the modules that comma-separated patterns select."""
    chosen: set[str] = set()
    for pattern in patterns.split(","):
        for single in _without_range(pattern.strip().removeprefix("transformer.")):
            found = {module for module in modules if fnmatchcase(module, single) or fnmatchcase(module, f"{single}.*")}
            if not found:
                allowed = f"wte, wpe, h.0 to h.{n_layers - 1}, ln_f, or a part such as h.0.attn or h.*.ln_1"
                raise ConfigError(f"--train-only {pattern!r}: the model has no {single!r}", allowed)
            chosen |= found
    return chosen


def _without_range(pattern: str) -> list[str]:
    """Write a range of layers out: ``h.10-11`` → ``h.10``, ``h.11``."""
    found = _RANGE.search(pattern)
    if found is None:
        return [pattern]
    first, last = map(int, found.groups())
    if first > last:
        raise ConfigError(f"--train-only {pattern!r} counts down", f"{last}-{first}")
    return [pattern[: found.start()] + str(layer) + pattern[found.end() :] for layer in range(first, last + 1)]


def lowest_trained(names: Iterable[str], n_layers: int) -> int:
    """Return the lowest layer with a trained array: ``EMBEDDINGS``, or ``n_layers`` if all are above the blocks."""
    layers = (_LAYER.match(name) for name in names if not name.startswith("ln_f"))
    return min((EMBEDDINGS if found is None else int(found[1]) for found in layers), default=n_layers)


def n_trained(model: ModelConfig, train: TrainConfig) -> int:
    """Count the numbers that training changes: those of a gradient or a moment."""
    return sum(map(math.prod, trained_shapes(model, train).values()))


def n_stored(model: ModelConfig, train: TrainConfig) -> int:
    """Count the numbers of the weights and of an adapter."""
    return model.n_parameters + (n_trained(model, train) if train.lora else 0)
