"""The work after the gradients, over a worker's range of the arena: their sum, its square, and AdamW.

Equations in ``tinygpt/optim.py``; with η̂ = η / (1 − β₁^τ) and ν = 1 / √(1 − β₂^τ), θ ← θ − (η̂ / ν) m₁ / (√m₂ + ε / ν).
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.engines.loops.compiling import distinct, loop, sums

Array = np.ndarray

PLAIN, DECAYED, MUON = 0, 1, 2  # kinds of parts of the arena

_CHUNK = 4096  # numbers that are summed, and squared while they are in the first-level cache


@loop
def _add(total: Array, other: Array) -> None:
    distinct()
    for i in range(len(total)):
        total[i] += other[i]


@sums
def _squares(values: Array) -> float:
    total = np.float32(0.0)
    for i in range(len(values)):
        total += values[i] * values[i]
    return np.float64(total)


@loop
def reduce(gradients: Array, count: int, parts: Array) -> float:
    """Sum the first ``count`` gradients (workers, P) into the first, over a range; return the sum's squared norm."""
    squares = 0.0
    if len(parts) == 0:
        return squares
    stop = parts[-1, 1]
    for first in range(parts[0, 0], stop, _CHUNK):
        last = min(first + _CHUNK, stop)
        total = gradients[0, first:last]
        for other in range(1, count):
            _add(total, gradients[other, first:last])
        squares += _squares(total)
    return squares


@loop
def adamw_constants(step: Array) -> tuple[np.float32, ...]:
    """Return β₁, β₂, (1 − β₁) clip, (1 − β₂) clip², η̂ / ν and ε / ν of an ``AdamWStep``, or of its numbers."""
    clip, beta1, beta2, scale = step[0], step[1], step[2], step[4]
    return (
        np.float32(beta1), np.float32(beta2), np.float32((1.0 - beta1) * clip),
        np.float32((1.0 - beta2) * clip * clip), np.float32(step[3] / scale), np.float32(step[5] / scale),
    )  # fmt: skip


@loop
def update_part(
    theta: Array, dtheta: Array, m1: Array, m2: Array, constants: tuple[np.float32, ...], decay: np.float32
) -> None:
    """Update θ, m₁ and m₂ from dθ; first θ ← θ · decay."""
    distinct()
    beta1, beta2, share1, share2, rate, eps = constants
    for i in range(len(theta)):
        gradient = dtheta[i]
        first = beta1 * m1[i] + share1 * gradient
        second = beta2 * m2[i] + share2 * gradient * gradient
        m1[i] = first
        m2[i] = second
        theta[i] = theta[i] * decay - rate * first / (math.sqrt(second) + eps)


@loop
def update(theta: Array, dtheta: Array, m1: Array, m2: Array, parts: Array, step: Array) -> None:
    """Update θ, m₁ and m₂ (P) from dθ.

    Args:
        theta: the arena's parameters.
        dtheta: the reduced gradient.
        m1: the first moments.
        m2: the second moments.
        parts: (parts, 3): start, stop, and PLAIN, DECAYED or MUON, whose update is not made here.
        step: an ``AdamWStep``, float64: clip, β₁, β₂, η̂, ν, ε, 1 − η λ, η.
    """
    constants = adamw_constants(step)
    for part in range(len(parts)):
        a, b = parts[part, 0], parts[part, 1]
        kind = parts[part, 2]
        if kind == MUON:
            continue
        decay = np.float32(step[6]) if kind == DECAYED else np.float32(1.0)
        update_part(theta[a:b], dtheta[a:b], m1[a:b], m2[a:b], constants, decay)
