"""Engines as a benchmark names them: registered ones and their variants, and any other class behind the interface.

numpy                              an engine of the registry
vectorized[threads=1]              a variant of one
package.module:ClassName           a subclass of tinygpt's Engine outside the registry, importable where the
                                   benchmark runs: a rival that exists only to be measured, or one's own
"""

from __future__ import annotations

import re
from importlib import import_module

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine, create_engine, parse_variant
from tinygpt.errors import ConfigError
from tinygpt.params import initial_parameters

_OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def split_names(text: str) -> list[str]:
    """Split ``a,b[x=1,y=2]`` at the commas that are not inside brackets; spaces and empty parts are dropped."""
    parts = re.split(r",(?![^\[]*\])", text)
    return [part.strip() for part in parts if part.strip()]


def engine_name(variant: str) -> str:
    """The engine of a variant, without its options: ``vectorized[threads=1]`` → ``vectorized``."""
    return variant.partition("[")[0].strip()


def check_variant(variant: str) -> str:
    """Check that a variant can be made, without making it (a class outside the registry is not imported).

    Returns:
        the variant without spaces.

    Raises:
        ConfigError: the engine or an option is unknown.
    """
    name = "".join(variant.split())
    if not _OUTSIDE.fullmatch(name):
        parse_variant(name)
    return name


def make_engine(variant: str, model: ModelConfig, train: TrainConfig, seed: int) -> Engine:
    """Make the engine of a variant, with the starting weights that belong to the seed.

    Raises:
        ConfigError: there is no such engine, option, module or class, or the class is not an engine.
    """
    if not _OUTSIDE.fullmatch(variant):
        return create_engine(variant, model, train, seed=seed)
    module_name, _, class_name = variant.partition(":")
    try:
        engine_class = getattr(import_module(module_name), class_name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(
            f"engine {variant!r} cannot be imported: {error}", "module:Class of an installed module"
        ) from error
    if not (isinstance(engine_class, type) and issubclass(engine_class, Engine)):
        raise ConfigError(f"{variant!r} is not an engine", "a subclass of tinygpt.engines.Engine")
    engine: Engine = engine_class(model, train)
    engine.load_state_dict(initial_parameters(model, seed))
    return engine
