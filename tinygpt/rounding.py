"""Numbers in fewer bytes than float32's four, of matrices alone: vectors are few, and stay as they are.

int8       w ≈ s q with one scale per row, s = max |row| / 127; error at most s / 2
float16    w rounded to 11 bits; error at most 2⁻¹¹ |w|, or 2⁻²⁵ below 2⁻¹⁴
bfloat16   the upper half of a float32, rounded to 8 bits; error at most 2⁻⁸ |w|

A row of a projection (in, out) belongs to one input, a row of an embedding to one token or place. Rounded weights round
to themselves, so weights that are read back and rounded again have the same codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.errors import CheckpointError, unknown_name
from tinygpt.params import Arrays

FLOAT32, BFLOAT16, FLOAT16, INT8 = "float32", "bfloat16", "float16", "int8"
SCALE = ".scale"


@dataclass(frozen=True)
class Rounding:
    """A way to round.

    Attributes:
        name: as in ``precision=``.
        dtype: of its codes.
        largest: the largest number that it holds.
        codes: a matrix (rows, columns) → its codes, and a scale for each row or None.
        decoded: codes → float32, not yet multiplied by the scales.
    """

    name: str
    dtype: np.dtype[Any]
    largest: float
    codes: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
    decoded: Callable[[np.ndarray], np.ndarray]


def _int8_codes(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # A row of zeros, or of numbers too small to divide by in float32, has the smallest possible scale.
    scale = np.maximum(np.abs(matrix).max(axis=1) / np.float32(127.0), np.finfo(np.float32).tiny)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


def _bfloat16_codes(matrix: np.ndarray) -> tuple[np.ndarray, None]:
    bits = np.ascontiguousarray(matrix, np.float32).view(np.uint32)
    halves = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))  # to even where it is between two
    return (halves >> np.uint32(16)).astype(np.uint16), None


_FLOAT32_LARGEST = float(np.finfo(np.float32).max)
ROUNDINGS = MappingProxyType(
    {
        rounding.name: rounding
        for rounding in (
            Rounding(INT8, np.dtype(np.int8), _FLOAT32_LARGEST, _int8_codes, lambda codes: codes.astype(np.float32)),
            Rounding(
                FLOAT16,
                np.dtype(np.float16),
                float(np.finfo(np.float16).max),
                lambda matrix: (np.ascontiguousarray(matrix, np.float16), None),
                lambda codes: codes.astype(np.float32),
            ),
            Rounding(
                BFLOAT16,
                np.dtype(np.uint16),
                _FLOAT32_LARGEST,
                _bfloat16_codes,
                lambda codes: (codes.astype(np.uint32) << np.uint32(16)).view(np.float32),
            ),
        )
    }
)


def rounding_of(precision: str) -> Rounding:
    """Return a way to round by its name; raise a ConfigError for an unknown one."""
    if precision not in ROUNDINGS:
        raise unknown_name("precision", precision, ROUNDINGS)
    return ROUNDINGS[precision]


def quantize(weights: Mapping[str, np.ndarray], precision: str) -> Arrays:
    """Round weights: name → a matrix's codes or a float32 vector, and ``NAME.scale`` (rows,) of int8.

    Raises:
        ConfigError: the precision is not one of ``ROUNDINGS``.
        CheckpointError: a weight is not finite, or too large.
    """
    rounding, stored = rounding_of(precision), Arrays()
    for name, value in weights.items():
        if not np.isfinite(value).all() or np.abs(value).max() > rounding.largest:
            raise CheckpointError(f"parameter {name!r} holds values beyond {precision}", "finite numbers")
        if value.ndim < 2:
            stored[name] = np.ascontiguousarray(value, np.float32)
            continue
        stored[name], scale = rounding.codes(value)
        if scale is not None:
            stored[name + SCALE] = scale
    return stored


def dequantize(stored: Mapping[str, np.ndarray]) -> Arrays:
    """Return the float32 weights of stored ones."""
    weights: Arrays = {}
    for name, value in stored.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in stored:
            continue
        rounding = next((way for way in ROUNDINGS.values() if way.dtype == value.dtype), None)
        weights[name] = value.astype(np.float32) if rounding is None else rounding.decoded(value)
        if name + SCALE in stored:
            weights[name] *= stored[name + SCALE][:, None]
    return weights


def rounded(weights: Mapping[str, np.ndarray], precision: str) -> Arrays:
    """Return the float32 weights that are left of these at a precision; at float32, these."""
    return dict(weights) if precision == FLOAT32 else dequantize(quantize(weights, precision))
