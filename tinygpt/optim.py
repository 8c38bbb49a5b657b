"""Gradient clipping and AdamW (Loshchilov & Hutter 2019), as plain array functions.

    m₁ ← β₁ m₁ + (1 − β₁) dθ            m₂ ← β₂ m₂ + (1 − β₂) dθ²
    m̂₁ = m₁ / (1 − β₁^τ)                m̂₂ = m₂ / (1 − β₂^τ)
    θ ← θ (1 − η λ) − η m̂₁ / (√m̂₂ + ε)

τ counts the updates from 1; the paper writes t, g, m and v for τ, dθ, m₁ and m₂. The decay λ acts on matrices and
embeddings only, and is not scaled by the moments: that is the W in AdamW.
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
        parameter: θ, updated.
        gradient: dθ, already clipped.
        first_moment: m₁, updated.
        second_moment: m₂, updated.
        step: τ, counted from 1.
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
    unbiased_first = first_moment / (1.0 - beta1**step)
    unbiased_second = second_moment / (1.0 - beta2**step)
    parameter -= learning_rate * unbiased_first / (np.sqrt(unbiased_second) + config.eps)


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
