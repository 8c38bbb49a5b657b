"""The table of engines, and the function that makes one by name. A new engine is one new file and one new row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.base import Engine, StepResult
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.optim import OptimizerState

__all__ = [
    "CPU_ENGINES",
    "ENGINES",
    "Engine",
    "OptimizerState",
    "StepResult",
    "create_engine",
    "format_variant",
    "get_engine",
    "parse_variant",
    "with_mesh",
]


@dataclass(frozen=True)
class EngineEntry:
    """A row of the registry.

    Attributes:
        module: the engine's module, imported only when the engine is made.
        class_name: its class in that module.
        summary: one line for listings.
        options: option name → function that parses its text, as in ``vectorized[threads=1]``.
        placement: options for where, and in what order, the same numbers are computed; a resumed run may change them.
        extra: the extra of this package that it needs; None if it runs in every installation.
    """

    module: str
    class_name: str
    summary: str
    options: dict[str, Callable[[str], Any]]
    placement: frozenset[str] = frozenset()
    extra: str | None = None


def yes_or_no(text: str) -> bool:
    """Parse an option that is ``yes`` or ``no``; raise ValueError for any other text."""
    if text not in ("yes", "no"):
        raise ValueError(text)
    return text == "yes"


ENGINES = {
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
    ),
    "jax": EngineEntry(
        "tinygpt.engines.jax.engine",
        "JaxEngine",
        "one compiled program on accelerators, several of them, or several hosts; needs the extra jax",
        {"device": str, "mesh": str, "precision": str, "layers": str, "remat": yes_or_no, "dispatch": int},
        placement=frozenset({"device", "mesh", "layers", "remat", "dispatch"}),
        extra="jax",
    ),
}
"""Name → how to make the engine."""

DEFAULT_ENGINE = "vectorized"
# Engines that run in every installation.
CPU_ENGINES = tuple(name for name, entry in ENGINES.items() if entry.extra is None)


def get_engine(name: str) -> EngineEntry:
    """Look up an engine; the ConfigError for an unknown name suggests the nearest one."""
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES, f"invoke train --engine {DEFAULT_ENGINE}")
    return ENGINES[name]


def parse_variant(text: str) -> tuple[str, dict[str, Any]]:
    """Split ``vectorized[threads=1,kernels=numpy]`` into the engine's name and its options.

    Raises:
        ConfigError: the engine or an option is unknown, or an option's value cannot be read.
    """
    name, _, rest = text.partition("[")
    entry = get_engine(name.strip())
    options: dict[str, Any] = {}
    if rest and not rest.endswith("]"):
        raise ConfigError(f"engine {text!r} has no closing bracket", "NAME or NAME[option=value,…]")
    for item in filter(None, rest.removesuffix("]").split(",")):
        key, _, value = (part.strip() for part in item.partition("="))
        if key not in entry.options:
            raise unknown_name(f"option of engine {name!r}:", key, entry.options, f"invoke train --engine {name}")
        try:
            options[key] = entry.options[key](value)
        except ValueError:
            raise ConfigError(
                f"option {key} of engine {name!r} is {value!r}", f"a value of type {entry.options[key].__name__}"
            ) from None
    return name.strip(), options


def format_variant(name: str, options: dict[str, Any]) -> str:
    """Write a variant, as :func:`parse_variant` reads it."""
    words = {True: "yes", False: "no"}
    texts = [f"{key}={words[value] if isinstance(value, bool) else value}" for key, value in options.items()]
    return f"{name}[{','.join(texts)}]" if texts else name


def with_mesh(variant: str, mesh: str) -> str:
    """Return a variant with a mesh such as ``data=2,fsdp=4``, which becomes ``data2-fsdp4`` inside the brackets.

    Raises:
        ConfigError: the engine has no option ``mesh``.
    """
    name, options = parse_variant(variant)
    if "mesh" not in get_engine(name).options:
        raise ConfigError(f"engine {name!r} has no mesh", "the engine jax", "invoke train --engine jax --mesh data=2")
    return format_variant(name, options | {"mesh": mesh.replace("=", "").replace(",", "-").replace(" ", "")})


def create_engine(
    name: str,
    model: ModelConfig,
    train: TrainConfig,
    seed: int = 0,
    *,
    weights: Mapping[str, np.ndarray] | None = None,
    **options: Any,
) -> Engine:
    """Make an engine with a seed's starting weights, or with given ones.

    Args:
        name: an engine, or a variant such as ``vectorized[threads=1]``.
        model: the model's shape.
        train: batch and optimiser settings.
        seed: equal seeds give every engine identical weights and identical dropout masks.
        weights: starting weights in place of the seed's, such as another engine's ``state_dict()``.
        options: engine options that override those in the name.

    Raises:
        ConfigError: the engine or an option is unknown.
        CheckpointError: the weights do not fit the model.
    """
    base_name, parsed = parse_variant(name)
    entry = ENGINES[base_name]
    for key in options:
        if key not in entry.options:
            raise unknown_name(f"option of engine {base_name!r}:", key, entry.options, "invoke --help train")
    engine_class: type[Engine] = getattr(import_module(entry.module), entry.class_name)
    return engine_class.create(model, train, seed, weights, **(parsed | options))
