"""Weights in one or two bytes each (``tinygpt/rounding.py``), in a safetensors file that is small enough to be shipped.

Reading gives the same float32 weights on every machine: they were rounded only once, when the file was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError
from tinygpt.params import Arrays, check_shapes, parameter_shapes
from tinygpt.rounding import FLOAT16, INT8, SCALE, dequantize

PRECISIONS = (INT8, FLOAT16)


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
        raise CheckpointError(f"{path} is missing", "the model's weights") from None
    except (SafetensorError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error})", "the file as shipped") from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error.strerror or error})", "a readable file") from None
    for name, value in stored.items():
        scale = stored.get(name + SCALE)
        if value.dtype == np.int8 and (value.ndim != 2 or scale is None or scale.shape != value.shape[:1]):
            raise CheckpointError(f"tensor {name!r} of {path} has no scale for each row", "the file as shipped")
    weights = dequantize(stored)
    try:
        check_shapes(weights, parameter_shapes(model))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error.problem}", error.allowed) from None
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise CheckpointError(f"{path} holds values that are not finite", "finite numbers")
    return {name: weights[name] for name in parameter_shapes(model)}
