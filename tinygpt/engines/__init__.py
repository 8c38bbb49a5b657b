"""The table of engines, and the function that makes one by name. A new engine is one new file and one new row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from tinygpt.brackets import Bracketed, with_options
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.base import Engine, StepResult
from tinygpt.engines.extras import FAST, JAX, Extra
from tinygpt.errors import ConfigError
from tinygpt.optim import OptimizerState
from tinygpt.table import Table

__all__ = [
    "AUTO",
    "CORE_ENGINES",
    "CPU_ENGINES",
    "ENGINES",
    "Engine",
    "OptimizerState",
    "StepResult",
    "create_engine",
    "engine_class",
    "extras_of",
    "fastest_engine",
    "format_variant",
    "missing_extra",
    "parse_variant",
    "resolve_variant",
    "with_mesh",
]


@dataclass(frozen=True)
class EngineEntry:
    """A row of the registry.

    Attributes:
        module: the engine's module, imported only when the engine is made.
        class_name: its class in that module.
        summary: one line for listings.
        options: option name → type, as in ``vectorized[threads=1]``.
        placement: options for where, and in what order, the same numbers are computed; a resumed run may change them.
        extra: the extra that it needs; None if it runs in every installation.
        option_extras: word in an option's value → the extra that it needs.
    """

    module: str
    class_name: str
    summary: str
    options: Mapping[str, type]
    placement: frozenset[str] = frozenset()
    extra: Extra | None = None
    option_extras: Mapping[str, Extra] = field(default_factory=dict)


_ENTRIES = {
    "python": EngineEntry(
        "tinygpt.engines.python", "PythonEngine", "standard library only, scalar loops: the honest 1×", {}
    ),
    "numpy": EngineEntry(
        "tinygpt.engines.numpy", "NumpyEngine", "textbook vectorization, temporaries and all: the reference", {}
    ),
    "vectorized": EngineEntry(
        "tinygpt.engines.vectorized",
        "VectorizedEngine",
        "preallocated buffers, fused NumExpr/NumPy kernels, the batch sharded over all cores: the fast one",
        {"threads": int, "kernels": str, "team": str},
        option_extras={"numba": FAST},
    ),
    "compiled": EngineEntry(
        "tinygpt.engines.compiled.engine",
        "CompiledEngine",
        "the same with every loop compiled by Numba, on threads that share no lock; needs the extra fast",
        {"threads": int, "kernels": str, "team": str},
        extra=FAST,
    ),
    "jax": EngineEntry(
        "tinygpt.engines.jax.engine",
        "JaxEngine",
        "one compiled program on accelerators, several of them, or several hosts; needs the extra jax",
        {"device": str, "mesh": str, "precision": str, "layers": str, "remat": bool, "dispatch": int},
        placement=frozenset({"device", "mesh", "layers", "remat", "dispatch"}),
        extra=JAX,
    ),
}
ENGINES = Table("engine", _ENTRIES)
"""Name → how to make the engine."""

AUTO = "auto"
DEFAULT_ENGINE = AUTO
# Engines that run in every installation.
CORE_ENGINES = tuple(name for name, entry in ENGINES.items() if entry.extra is None)
# Engines for the processor, from the slowest to the fastest.
CPU_ENGINES = (*CORE_ENGINES, "compiled")


@cache
def fastest_engine() -> str:
    """Return the fastest engine for the processor that this installation can make."""
    return next(name for name in reversed(CPU_ENGINES) if missing_extra(name) is None)


def extras_of(variant: str) -> list[Extra]:
    """List the extras that a variant needs."""
    name, options = parse_variant(variant)
    entry = ENGINES[name]
    words = {word for value in options.values() for word in re.split("[:+]", str(value))}
    needed = (entry.extra, *(entry.option_extras.get(word) for word in words))
    return [extra for extra in needed if extra is not None]


def missing_extra(variant: str) -> Extra | None:
    """Return an extra that a variant needs and this installation lacks."""
    return next((extra for extra in extras_of(variant) if not extra.is_installed()), None)


def resolve_variant(text: str) -> str:
    """Return a variant with the name of a real engine: ``auto[threads=1]`` → ``compiled[threads=1]``."""
    return format_variant(*parse_variant(text)) if text.partition("[")[0].strip() == AUTO else text


def _options_of(name: str) -> Mapping[str, type]:
    return ENGINES[name].options


def _engine_with(key: str, value: Any) -> str:
    """Name an engine that has an option."""
    others = [other for other, entry in ENGINES.items() if key in entry.options]
    return f"the same with --engine '{others[0]}[{key}={value}]'" if others else ""


_VARIANTS = Bracketed("engine", "'numpy' or 'vectorized[threads=1]'", _options_of, _engine_with)


def parse_variant(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``vectorized[threads=1,kernels=numpy]`` into the engine's name and its options.

    ``auto`` is the fastest engine that this machine has.

    Raises:
        ConfigError: the engine or an option is unknown, or an option's value cannot be read.
    """
    if isinstance(text, str) and text.partition("[")[0].strip() == AUTO:
        text = text.replace(AUTO, fastest_engine(), 1)
    return _VARIANTS.parse(text)


format_variant = with_options
"""Write a variant, as :func:`parse_variant` reads it."""


def with_mesh(variant: str, mesh: str) -> str:
    """Return a variant with a mesh such as ``data=2,fsdp=4``, which becomes ``data2-fsdp4`` inside the brackets.

    Raises:
        ConfigError: the engine has no option ``mesh``.
    """
    name, options = parse_variant(variant)
    if "mesh" not in ENGINES[name].options:
        raise ConfigError(f"engine {name!r} has no mesh", "the engine jax")
    return format_variant(name, options | {"mesh": mesh.replace("=", "").replace(",", "-").replace(" ", "")})


def create_engine(
    name: str,
    model: ModelConfig,
    train: TrainConfig,
    seed: int = 0,
    *,
    weights: Mapping[str, np.ndarray] | None = None,
    adapter: Mapping[str, np.ndarray] | None = None,
    **options: Any,
) -> Engine:
    """Make an engine with a seed's starting weights, or with given ones.

    Args:
        name: an engine, or a variant such as ``vectorized[threads=1]``.
        model: the model's shape.
        train: batch and optimiser settings.
        seed: equal seeds give every engine identical weights and identical dropout masks.
        weights: starting weights in place of the seed's, such as another engine's ``state_dict()``.
        adapter: LoRA's starting arrays in place of the seed's, such as another engine's ``adapter()``.
        options: engine options that override those in the name.

    Raises:
        ConfigError: the engine or an option is unknown, or an argument is of another kind.
        CheckpointError: the weights do not fit the model.
        MissingDependencyError: the engine's extra is not installed.
    """
    base_name, parsed = parse_variant(name)
    options = {key: _VARIANTS.read(base_name, key, value) for key, value in options.items()}
    return engine_class(name).create(model, train, seed, weights, adapter, **(parsed | options))


def engine_class(name: str) -> type[Engine]:
    """Return the class of an engine or variant, which says what the engine has.

    Raises:
        ConfigError: the engine or an option is unknown.
        MissingDependencyError: the engine's extra is not installed.
    """
    base_name, _ = parse_variant(name)
    entry = ENGINES[base_name]
    extra, user = entry.extra, f"engine {base_name!r}"
    module = import_module(entry.module) if extra is None else extra.module(entry.module, user)
    found: type[Engine] = getattr(module, entry.class_name)
    return found
