"""Muon (Jordan et al. 2024): a hidden matrix's update is its momentum, made nearly orthogonal.

    m₁ ← β₁ m₁ + (1 − β₁) dθ                     as in AdamW
    u  = β₁ m₁ + (1 − β₁) dθ                     Nesterov's look ahead
    X₀ = u / ‖u‖                                 singular values in [0, 1]
    Xₖ = a X + (b A + c A²) X,  A = X Xᵀ         five times: each singular value s ← a s + b s³ + c s⁵
    θ ← θ (1 − η λ) − η ½ √max(I, O) X₅          orthogonal (I, O) times √max(I, O) has a root mean square of 1

Hidden matrices are those of the blocks; queries, keys and values are three matrices. Embeddings, biases and gains keep
AdamW, at the same rate. ``docs/derivations/muon.md`` derives the polynomial and the factor.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.config import TrainConfig

ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # a, b, c of Jordan et al.: steep at 0, within 0.7 to 1.2 near 1
RMS = 0.5  # of an update over the rate; trials at medium found the best between 0.4 and 0.8
SMALLEST = 1e-7  # added to the norm: a gradient of zeros stays one


def is_orthogonalized(name: str) -> bool:
    """Return whether Muon updates this parameter: the blocks' four matrices."""
    return name.startswith("h.") and name.endswith(".weight") and ".ln_" not in name


def n_matrices(name: str) -> int:
    """Return how many matrices lie side by side in a parameter: 3 for queries, keys and values."""
    return 3 if name.endswith("c_attn.weight") else 1


def scale(shape: tuple[int, ...]) -> float:
    """Return ½ √max(I, O), which turns an orthogonal matrix of this shape into an update for a rate of 1."""
    return RMS * math.sqrt(max(shape))


def orthogonalize(matrix: np.ndarray) -> np.ndarray:
    """Return the nearly orthogonal matrix with the same singular vectors, (I, O), a new array of the same type."""
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T  # the products are over the shorter side
    x = wide / (np.linalg.norm(wide) + SMALLEST)
    product, other = np.empty((len(x), len(x)), x.dtype), np.empty_like(x)
    for _ in range(ITERATIONS):
        np.matmul(x, x.T, out=product)
        polynomial = np.matmul(product, product)
        polynomial *= c
        product *= b
        polynomial += product
        np.matmul(polynomial, x, out=other)
        x *= a
        x += other
    return x if wide is matrix else x.T


def muon_update(
    name: str,
    parameter: np.ndarray,
    gradient: np.ndarray,
    first_moment: np.ndarray,
    learning_rate: float,
    config: TrainConfig,
) -> None:
    """Make one update of a hidden matrix in place; all arrays are (I, O).

    Args:
        name: the parameter's name.
        parameter: θ, updated.
        gradient: dθ, already clipped; may be overwritten.
        first_moment: m₁, updated.
        learning_rate: η of this step.
        config: β₁ and λ.
    """
    beta1 = config.betas[0]
    gradient *= 1.0 - beta1
    first_moment *= beta1
    first_moment += gradient
    gradient += beta1 * first_moment
    parameter *= 1.0 - learning_rate * config.weight_decay
    count = n_matrices(name)
    for part, ahead in zip(np.split(parameter, count, axis=1), np.split(gradient, count, axis=1), strict=True):
        part -= learning_rate * scale(part.shape) * orthogonalize(ahead)
