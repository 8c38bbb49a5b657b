"""The look of each variant's line in figures: its name, colour and shape, and the menu choice that shows it.

The project's engines, the peers and the roofline are rows of one table, so that each looks the same in every figure.
Variants that are not in the table (``vectorized[threads=1]``, a user's own engine) follow under their own names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from bench.arms.registry import ALL_PEERS, JAX_ON_CPU, OURS, REFERENCE, ROOFLINE, ROUNDED
from bench.arms.variants import kind_of
from bench.records.rows import LOCAL, PUBLISHED
from sitegen.text.palette import Theme, order_variants

# Choices of the menu of lines; each adds lines to the one before it.
ENGINES_ONLY, WITH_PEERS, EVERYTHING = "engines", "peers", "all"
TIERS = MappingProxyType(
    {
        ENGINES_ONLY: "this project's engines",
        WITH_PEERS: "engines, PyTorch and JAX",
        EVERYTHING: "everything measured",
    }
)

BEST_ON_CPU = "processor-best"  # the fastest peer on the processor, preset by preset

# Vega's shapes, easy to distinguish even when printed without colour.
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
# The shape of a bound, which is not an engine: a small star that covers nothing else.
_BOUND = "M0,-0.7L0.17,-0.17L0.7,0L0.17,0.17L0,0.7L-0.17,0.17L-0.7,0L-0.17,-0.17Z"


@dataclass(frozen=True)
class Series:
    """A row of the table.

    Attributes:
        name: the variant, as rows have it.
        label: in legends and tooltips.
        tier: first choice of the menu that shows it.
        spare: index of its colour among the theme's spare ones, unless the theme has a colour for the engine; None for
            the muted colour.
        shape: index of its shape; None for that of a bound.
        is_baseline: whether others are compared with it.
    """

    name: str
    label: str
    tier: str
    spare: int | None
    shape: int | None
    is_baseline: bool = False


# Tier, colour and shape of peers, and whether others are compared with them. A peer without a row here is muted.
_LOOKS: Mapping[str, tuple[str, int | None, int, bool]] = MappingProxyType(
    {
        "torch": (WITH_PEERS, 0, 3, True),
        "torch-mkl-avx512": (WITH_PEERS, 1, 4, True),
        "jax-textbook": (WITH_PEERS, 2, 5, True),
        "torch-compile": (EVERYTHING, 3, 6, False),
        "torch-compile-mkl-avx512": (EVERYTHING, 4, 7, False),
        "torch-1-thread": (EVERYTHING, 2, 3, False),
        "torch-1-thread-mkl-avx512": (EVERYTHING, 2, 4, False),
        "torch-tuned": (EVERYTHING, 0, 7, False),
        "torch-pinned": (EVERYTHING, 1, 7, False),
        "torch-step": (WITH_PEERS, 3, 0, False),
        "torch-autotune": (EVERYTHING, 4, 1, False),
        "onnxruntime": (WITH_PEERS, 3, 1, True),
        "torch-cuda": (WITH_PEERS, 0, 3, False),
        "torch-cuda-graphs": (WITH_PEERS, 1, 4, False),
        "torch-cuda-compile": (WITH_PEERS, 3, 0, False),
        "torch-cuda-compile-graphs": (WITH_PEERS, 4, 7, False),
        "webgpu": (WITH_PEERS, 2, 5, False),
    }
)

SERIES = MappingProxyType(
    {
        series.name: series
        for series in (
            Series("python", "python", ENGINES_ONLY, None, 0, True),
            Series(REFERENCE, "numpy", ENGINES_ONLY, None, 1, True),
            Series(OURS, "vectorized", ENGINES_ONLY, None, 2, True),
            Series("compiled", "compiled", ENGINES_ONLY, None, 7, True),
            *(
                Series(name, f"compiled, {precision}", EVERYTHING, index, 7)
                for index, (name, precision) in enumerate(ROUNDED.items(), 1)
            ),
            Series("jax", "jax engine", ENGINES_ONLY, 5, 6),
            Series(JAX_ON_CPU, "jax engine", ENGINES_ONLY, 5, 6, True),
            *(
                Series(peer.name, peer.label, *_LOOKS.get(peer.name, (EVERYTHING, None, 0, False)))
                for peer in map(ALL_PEERS.__getitem__, dict.fromkeys([*_LOOKS, *ALL_PEERS]))
            ),
            Series(BEST_ON_CPU, "fastest peer on the processor", WITH_PEERS, None, 1),
            Series(ROOFLINE, "products alone", WITH_PEERS, None, None),
        )
    }
)  # fmt: skip


def order_series(variants: Iterable[str]) -> list[str]:
    """Sort variants and drop repetitions: those of the table in its order, then the others."""
    present = set(variants)
    known = [name for name in SERIES if name in present]
    return [*known, *order_variants([name for name in present if name not in SERIES])]


def label_of(variant: str) -> str:
    """A variant's name in legends and tooltips."""
    return SERIES[variant].label if variant in SERIES else variant


def tier_of(variant: str, origin: str = PUBLISHED) -> int:
    """Index of the first choice of the menu that shows a variant; local rows are in the view that opens."""
    tier = SERIES[variant].tier if variant in SERIES else EVERYTHING
    if origin == LOCAL and tier == EVERYTHING:
        tier = WITH_PEERS if kind_of(variant) == "peer" else ENGINES_ONLY
    return list(TIERS).index(tier)


def is_rival(variant: str) -> bool:
    """True for a peer: its line is grey until a reader points at it."""
    if variant in ROUNDED or variant not in SERIES:
        return kind_of(variant) == "peer"
    return SERIES[variant].tier != ENGINES_ONLY


def tiers_of(rows: pd.DataFrame) -> list[int]:
    """:func:`tier_of` for rows with columns ``variant`` and ``origin``."""
    return [tier_of(str(variant), origin) for variant, origin in zip(rows["variant"], rows["origin"], strict=True)]


def series_colors(variants: Sequence[str], theme: Theme) -> list[str]:
    """A colour for each variant: the table's, or for others the spare colours from last to first."""
    colors, taken = [], 0
    for variant in variants:
        if variant in theme.engines:
            colors.append(theme.engines[variant])
        elif variant in SERIES:
            spare = SERIES[variant].spare
            colors.append(theme.muted if spare is None else theme.spare[spare])
        else:
            taken += 1
            colors.append(theme.spare[-taken % len(theme.spare)])
    return colors


def series_shapes(variants: Sequence[str]) -> list[str]:
    """A shape for each variant: the table's, or for others one after another."""
    numbers = [SERIES[name].shape if name in SERIES else position for position, name in enumerate(variants)]
    return [_BOUND if number is None else _SHAPES[number % len(_SHAPES)] for number in numbers]
