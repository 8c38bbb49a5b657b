"""Weights in one or two bytes each, in a safetensors file that is small enough to be committed and shipped.

int8     w ≈ s q with one scale per row, s = max |row| / 127; error at most s / 2. Vectors stay float32: they are few.
float16  w rounded to 11 bits; error at most 2⁻¹¹ |w|, or 2⁻²⁵ below 2⁻¹⁴

Reading gives the same float32 weights on every machine: they were rounded only once, when the file was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, unknown_name
from tinygpt.gallery.card import REPAIR
from tinygpt.params import Arrays, check_shapes, parameter_shapes

PRECISIONS = ("int8", "float16")
_SCALE = ".scale"


def quantize(weights: Mapping[str, np.ndarray], precision: str) -> Arrays:
    """Round weights for storage: name → int8, float16 or float32, and ``NAME.scale`` (rows,) for each int8.

    Raises:
        ConfigError: the precision is not one of ``PRECISIONS``.
        CheckpointError: a weight is not finite, or too large for float16.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    stored: Arrays = {}
    for name, value in weights.items():
        largest = np.finfo(np.float16 if precision == "float16" else np.float32).max
        if not np.isfinite(value).all() or np.abs(value).max() > largest:
            raise CheckpointError(f"parameter {name!r} holds values beyond {precision}", "finite numbers")
        if value.ndim < 2:
            stored[name] = np.ascontiguousarray(value, np.float32)
        elif precision == "float16":
            stored[name] = np.ascontiguousarray(value, np.float16)
        else:
            # A row of zeros, or of numbers too small to divide by in float32, has the smallest possible scale.
            scale = np.maximum(np.abs(value).max(axis=1) / np.float32(127.0), np.finfo(np.float32).tiny)
            stored[name] = np.rint(value / scale[:, None]).astype(np.int8)
            stored[name + _SCALE] = scale
    return stored


def dequantize(stored: Mapping[str, np.ndarray]) -> Arrays:
    """Return the float32 weights of stored ones."""
    weights: Arrays = {}
    for name, value in stored.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored:
            continue
        if value.dtype == np.int8:
            weights[name] = value.astype(np.float32) * stored[name + _SCALE][:, None]
        else:
            weights[name] = value.astype(np.float32)
    return weights


def stored_bytes(stored: Mapping[str, np.ndarray]) -> bytes:
    """Return the contents of the file."""
    return save(dict(stored), metadata={"format": "np"})


def read_stored(path: Path, model: ModelConfig) -> Arrays:
    """Read a file back as float32 weights.

    Raises:
        CheckpointError: it is missing, damaged, or of another model.
    """
    try:
        with safe_open(path, "numpy") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", "the model's weights", REPAIR) from None
    except (SafetensorError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error})", "the file as shipped", REPAIR
        ) from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error.strerror or error})", "a readable file") from None
    for name, value in stored.items():
        scale = stored.get(name + _SCALE)
        if value.dtype == np.int8 and (value.ndim != 2 or scale is None or scale.shape != value.shape[:1]):
            raise CheckpointError(f"tensor {name!r} of {path} has no scale for each row", "the file as shipped", REPAIR)
    weights = dequantize(stored)
    try:
        check_shapes(weights, parameter_shapes(model))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.problem}", error.allowed, REPAIR) from None
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise CheckpointError(f"{path} holds values that are not finite", "finite numbers", REPAIR)
    return {name: weights[name] for name in parameter_shapes(model)}
