"""The names of variants in a benchmark.

numpy                              an engine of tinygpt
vectorized[threads=1]              the same with options
torch, jax-textbook, …             a peer (bench.arms.registry)
torch-cuda[precision=bfloat16]     a peer on an accelerator, in an arithmetic of its own
package.module:ClassName           any other subclass of tinygpt's Engine that can be imported
roofline[whole], …                 a step's matrix products alone (bench.measuring.roofline)
kernels                            parts of a step, and forms of its fused kernels (bench.measuring.kernel_times)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from types import MappingProxyType
from typing import Any

from bench.arms.kernel_parts import KERNELS_VARIANT
from bench.arms.labels import read_label
from bench.arms.registry import ACCELERATOR_PEERS, FLOAT32, PEER_PRECISIONS, PEERS, ROOFLINE, ROOFLINE_VARIANTS
from bench.arms.token_ways import TOKEN
from bench.records.rows import Kind
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import ENGINES, Engine, create_engine, parse_variant, resolve_variant
from tinygpt.errors import ConfigError, unknown_name

_OUTSIDE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
# What trains nothing has a kind of its own.
_OWN_KINDS: Mapping[str, Kind] = MappingProxyType({ROOFLINE: "roofline", TOKEN: "token", KERNELS_VARIANT: "kernels"})


def engine_name(variant: str) -> str:
    """Return a variant's engine: ``vectorized[threads=1]`` → ``vectorized``."""
    return read_label(variant).variant.partition("[")[0].strip()


def variant_options(variant: str) -> str:
    """Return the text in a variant's brackets: ``roofline[whole]`` → ``whole``; empty without brackets."""
    return variant.partition("[")[2].removesuffix("]")


def is_outside(variant: str) -> bool:
    """Return whether a variant is a class of the user's own."""
    return _OUTSIDE.fullmatch(variant) is not None


def is_accelerator_peer(variant: str) -> bool:
    """Return whether a variant is a peer on an accelerator, in any arithmetic."""
    return engine_name(variant) in ACCELERATOR_PEERS


def precision_of(variant: str) -> str:
    """Return the arithmetic of a variant on an accelerator.

    Raises:
        ConfigError: the engine, an option or the arithmetic is unknown.
    """
    if not is_accelerator_peer(variant):
        return str(parse_variant(variant)[1].get("precision", FLOAT32))
    key, _, precision = variant_options(variant).partition("=")
    if key not in ("", "precision"):
        raise ConfigError(f"engine {engine_name(variant)!r} has no option {key!r}", "precision")
    if (precision or FLOAT32) not in PEER_PRECISIONS:
        raise unknown_name("precision", precision, PEER_PRECISIONS)
    return precision or FLOAT32


def check_variant(variant: str) -> str:
    """Check a variant's name without importing its class; return it without spaces, ``auto`` as the real engine.

    Raises:
        ConfigError: the engine or an option is unknown.
    """
    label = read_label("".join(variant.split()))
    if label.revision is not None:
        raise ConfigError(f"engine {variant!r} has a commit", "an engine", f"invoke bench --against {label.revision}")
    name = resolve_variant(label.variant)
    if engine_name(name) == ROOFLINE:
        if name not in ROOFLINE_VARIANTS:
            raise unknown_name("engine", name, ROOFLINE_VARIANTS, "invoke bench --suite peers")
    elif name == KERNELS_VARIANT:
        return label.text
    elif engine_name(name) not in {*ENGINES, *PEERS} and not _OUTSIDE.fullmatch(name):
        raise unknown_name("engine", engine_name(name), (*ENGINES, *PEERS), "invoke bench --suite quick")
    elif name not in PEERS and not _OUTSIDE.fullmatch(name):
        parse_variant(name)
    return replace(label, variant=name).text


def kind_of(variant: str) -> Kind:
    """Return the kind of a variant's rows: ``bench``, ``peer``, ``roofline``, ``token`` or ``kernels``.

    Peers have their own kind, so that no statistic of this project's engines includes one by accident.
    """
    other: Kind = "peer" if read_label(variant).variant in PEERS else "bench"
    return _OWN_KINDS.get(engine_name(variant), other)


def make_engine(variant: str, model: ModelConfig, train: TrainConfig, seed: int) -> Engine:
    """Make a variant's engine, with the starting weights of the seed.

    Raises:
        ConfigError: the engine, option, module or class does not exist, or the class is not an engine.
    """
    target = variant
    options: dict[str, Any] = {}
    if is_accelerator_peer(variant):
        target, options = str(ACCELERATOR_PEERS[engine_name(variant)].trainer), {"precision": precision_of(variant)}
    elif variant in PEERS:
        trainer = PEERS[variant].trainer
        if trainer is None:
            raise ConfigError(f"{variant!r} generates and does not train", "invoke bench --suite generation")
        target = trainer
    if not _OUTSIDE.fullmatch(target):
        return create_engine(variant, model, train, seed=seed)
    engine_class = load(target)
    if not (isinstance(engine_class, type) and issubclass(engine_class, Engine)):
        raise ConfigError(f"{variant!r} is not an engine", "a subclass of tinygpt.engines.Engine")
    return engine_class.create(model, train, seed, **options)


def load(target: str) -> Any:
    """Import the object ``module:name``.

    Raises:
        ConfigError: the module or the name does not exist.
    """
    module_name, _, name = target.partition(":")
    try:
        return getattr(import_module(module_name), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ConfigError(
            f"engine {target!r} cannot be imported: {error}", "module:Class of an installed module"
        ) from error
