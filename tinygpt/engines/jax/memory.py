"""Bytes that a device needs for training, from the shapes, before anything is allocated.

    state        weights, both moments and the gradients: four float32 for every parameter, over the parts of ``fsdp``;
                 with an arena six, as weights are taken out of it and gradients put together
    activations  what the forward keeps for the backward, for the rows of one device

Per layer the forward keeps about 24 numbers of every row and channel (both norms' outputs, q, k and v before and after
heads are split, the mix, the feed-forward's input, tanh and output, the residual stream) and two arrays of scores;
with ``remat`` one number of every row and channel, and all of it for one layer at a time. A compiler may need more or
less, so this is what is refused beforehand, not a promise.
"""

from __future__ import annotations

import jax
import numpy as np
import psutil

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.jax.mesh import MeshShape
from tinygpt.engines.jax.settings import Settings
from tinygpt.errors import CapacityError

_FLOAT32_BYTES = 4
_ROW_NUMBERS = 24  # kept of a row and channel in a layer


def needed_bytes(model: ModelConfig, train: TrainConfig, shape: MeshShape, settings: Settings) -> int:
    """What one device of a mesh needs."""
    rows = -(-train.batch_size // shape.size)
    n, d, t = rows * model.context_length, model.d_model, model.context_length
    width = np.dtype(settings.arithmetic.dtype).itemsize
    scores = 0 if settings.fused_attention else 2 * rows * model.n_heads * t * t * _FLOAT32_BYTES
    layer = _ROW_NUMBERS * n * d * width + scores
    kept = layer + model.n_layers * n * d * _FLOAT32_BYTES if settings.remat else model.n_layers * layer
    ends = 3 * n * model.vocab_size * _FLOAT32_BYTES
    copies = 6 if settings.arena else 4
    return copies * _FLOAT32_BYTES * model.n_parameters // shape.fsdp + kept + ends


def available_bytes(device: jax.Device) -> int:
    """What a device can give: an accelerator's own limit, or for a CPU what the system calls available."""
    statistics = device.memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"]) - int(statistics.get("bytes_in_use", 0))
    return int(psutil.virtual_memory().available)


def require_room(needed: int, available: int, what: str) -> None:
    """Refuse what does not fit.

    Raises:
        CapacityError: with both figures in bytes.
    """
    if needed > available:
        raise CapacityError(
            f"{what} needs {needed:,} bytes on each device, {available:,} are available",
            "a smaller preset or batch, [remat=yes], or a mesh that cuts weights into parts",
            "invoke train --engine 'jax[remat=yes]' --mesh fsdp=2",
        )
