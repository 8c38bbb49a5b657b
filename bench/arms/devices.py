"""Rows of processors and rows of accelerators, which are kept apart.

The variant's name decides, not the machine: a machine with a GPU measures its processor too, and those rows belong with
other processors' rows.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from bench.arms.labels import read_label
from bench.arms.variants import engine_name, is_accelerator_peer, variant_options

if TYPE_CHECKING:
    import pandas as pd  # a worker must not import it: 75 MB of every measured peak

ACCELERATED = "jax"  # the engine that computes on an accelerator by default
_MESH = re.compile(r"\bmesh=([a-z0-9-]+)")


def on_accelerator(variant: str) -> bool:
    """Return whether a variant computes on an accelerator: engine ``jax`` without ``device=cpu``, or a CUDA peer."""
    name = read_label(variant).variant
    if is_accelerator_peer(name):
        return True
    return engine_name(name) == ACCELERATED and "device=cpu" not in variant_options(name).split(",")


def of_accelerators(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``runs`` that an accelerator computed."""
    return runs[_mask(runs)]


def of_processors(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``runs`` that a processor computed."""
    return runs[~_mask(runs)]


def _mask(runs: pd.DataFrame) -> pd.Series:
    by_variant = {variant: on_accelerator(str(variant)) for variant in runs["variant"].unique()}
    return runs["variant"].map(by_variant).astype(bool)


def device_count(variant: str) -> int:
    """Return the number of devices in a variant's mesh: ``jax[mesh=data2-fsdp4]`` → 8; 1 without a mesh."""
    mesh = _MESH.search(variant)
    return math.prod(int(size) for size in re.findall(r"\d+", mesh[1])) if mesh else 1
