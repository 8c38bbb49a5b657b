"""Where a variant computes: on the processor, or on an accelerator. Rows of both are kept apart.

The variant's name decides and not the machine: one that has a GPU measures its processor, too, and those rows stand
beside other processors'.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from bench.arms.labels import read_label
from bench.arms.registry import ACCELERATOR_PEERS
from bench.arms.variants import engine_name, variant_options

if TYPE_CHECKING:
    import pandas as pd  # for the runner: in a worker it would be 75 MB of every measured peak

ACCELERATED = "jax"  # the engine that computes on an accelerator unless it is told otherwise
_MESH = re.compile(r"\bmesh=([a-z0-9-]+)")


def on_accelerator(variant: str) -> bool:
    """Whether a variant's rows are an accelerator's: engine ``jax`` without ``device=cpu``, or a rival on CUDA."""
    name = read_label(variant).variant
    if name in ACCELERATOR_PEERS:
        return True
    return engine_name(name) == ACCELERATED and "device=cpu" not in variant_options(name).split(",")


def of_accelerators(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``runs`` that were computed on an accelerator."""
    return runs[_mask(runs)]


def of_processors(runs: pd.DataFrame) -> pd.DataFrame:
    """All the others."""
    return runs[~_mask(runs)]


def _mask(runs: pd.DataFrame) -> pd.Series:
    known = {variant: on_accelerator(str(variant)) for variant in runs["variant"].unique()}
    return runs["variant"].map(known).astype(bool)


def device_count(variant: str) -> int:
    """Devices that a variant spells out: ``jax[mesh=data2-fsdp4]`` → 8; 1 where it names no mesh."""
    found = _MESH.search(variant)
    return math.prod(int(size) for size in re.findall(r"\d+", found[1])) if found else 1
