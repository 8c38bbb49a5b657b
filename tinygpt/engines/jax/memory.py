"""Bytes that a device needs for training, computed from the shapes before anything is allocated.

    state        weights, both moments and the gradients: four float32 per parameter, divided by ``fsdp``; with an arena
                 six, as weights are copied out of it and gradients into it
    activations  arrays that the forward keeps for the backward, for the rows of one device

In each layer the forward keeps about 24 numbers per row and channel (both norms' outputs, q, k and v before and after
heads are split, the mix, the feed-forward's input, tanh and output, the residual stream) and two arrays of scores. With
``remat`` it keeps one number per row and channel, and the rest for one layer at a time. The compiler may need more or
less: this is a lower bound for refusals, not a promise.
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
_NUMBERS_KEPT = 24  # per row and channel of a layer


def needed_bytes(model: ModelConfig, train: TrainConfig, shape: MeshShape, settings: Settings) -> int:
    """Return the bytes that each device of a mesh needs."""
    rows = -(-train.batch_size // shape.size)
    n, d, t = rows * model.context_length, model.d_model, model.context_length
    width = np.dtype(settings.arithmetic.dtype).itemsize
    scores = 0 if settings.fused_attention else 2 * rows * model.n_heads * t * t * _FLOAT32_BYTES
    layer = _NUMBERS_KEPT * n * d * width + scores
    activations = layer + model.n_layers * n * d * _FLOAT32_BYTES if settings.remat else model.n_layers * layer
    ends = 3 * min(n * model.vocab_size, settings.most_scores) * _FLOAT32_BYTES  # scores, softmax and their gradient
    copies = 6 if settings.arena else 4
    return copies * _FLOAT32_BYTES * model.n_parameters // shape.fsdp + activations + ends


def available_bytes(device: jax.Device) -> int:
    """Return the free bytes of a device: below an accelerator's own limit, or those that the system has available."""
    statistics = device.memory_stats()
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"]) - int(statistics.get("bytes_in_use", 0))
    return int(psutil.virtual_memory().available)


def require_room(needed: int, available: int, user: str) -> None:
    """Raise a CapacityError with both sizes in bytes if ``user`` needs more than is available."""
    if needed > available:
        raise too_large(f"{user} needs {needed:,} bytes on each device, {available:,} are available")


def too_large(problem: str) -> CapacityError:
    """Build the error for a model that does not fit on a device."""
    allowed = "a smaller preset or batch, [remat=yes], or a mesh that cuts weights into parts"
    return CapacityError(problem, allowed, "invoke train --engine 'jax[remat=yes]' --mesh fsdp=2")
