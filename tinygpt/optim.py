"""Gradient clipping and AdamW (Loshchilov & Hutter 2019), as plain array functions.

    m ← β₁ m + (1 − β₁) g                v ← β₂ v + (1 − β₂) g²
    p ← p (1 − η λ) − η m̂ / (√v̂ + ε)     m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)

The decay λ acts on matrices and embeddings only, and is not scaled by the moments: that is the W in AdamW.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tinygpt.config import TrainConfig
from tinygpt.params import Arrays


def global_norm(gradients: Iterable[np.ndarray]) -> float:
    """Return the L2 norm over all elements of all gradients, accumulated in float64."""
    return math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gradients))


def clip_factor(norm: float, max_norm: float) -> float:
    """Return the factor that limits the gradients' global norm to ``max_norm`` (Pascanu et al. 2013).

    The 1e-6 is PyTorch's, so that clipped steps agree to the last digits.
    """
    return min(1.0, max_norm / (norm + 1e-6))


def adamw_update(
    parameter: np.ndarray,
    gradient: np.ndarray,
    first_moment: np.ndarray,
    second_moment: np.ndarray,
    step: int,
    learning_rate: float,
    config: TrainConfig,
    decayed: bool,
) -> None:
    """Make one AdamW update in place; all arrays have the same shape.

    Args:
        parameter: p, updated.
        gradient: g, already clipped.
        first_moment: m, updated.
        second_moment: v, updated.
        step: t, counted from 1.
        learning_rate: η of this step.
        config: β₁, β₂, ε and λ.
        decayed: this parameter has weight decay.
    """
    beta1, beta2 = config.betas
    first_moment *= beta1
    first_moment += (1.0 - beta1) * gradient
    second_moment *= beta2
    second_moment += (1.0 - beta2) * gradient * gradient
    if decayed:
        parameter *= 1.0 - learning_rate * config.weight_decay
    m_hat = first_moment / (1.0 - beta1**step)
    v_hat = second_moment / (1.0 - beta2**step)
    parameter -= learning_rate * m_hat / (np.sqrt(v_hat) + config.eps)


@dataclass(frozen=True)
class OptimizerState:
    """AdamW's state: the number of updates so far, and both moments under the parameters' names.

    An engine that computes in double precision has float64 moments and also stores its weights here: the weights for
    all engines are float32, and a run resumed from those would not repeat itself.
    """

    step: int
    first_moment: Arrays = field(repr=False)
    second_moment: Arrays = field(repr=False)
    weights: Arrays | None = field(default=None, repr=False)
