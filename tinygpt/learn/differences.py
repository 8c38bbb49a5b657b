"""The derivative of any function, without a formula: move one input a little both ways and see the output change.

∂f/∂x_i ≈ (f(x + h e_i) − f(x − h e_i)) / 2h                the error shrinks like h²
df/dx   ≈ Σ_k c_k (f(x + k h) − f(x − k h)) / h, k ≤ 4      the error shrinks like h⁸
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_STEP = 1e-5  # the cube root of float64's precision, about: errors of the formula and of rounding are equal there
_WIDE_STEP = 0.02  # likewise, for the eighth order and functions that bend within about 1
_EIGHTH_ORDER = (4 / 5, -1 / 5, 4 / 105, -1 / 280)


def central_differences(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Return the gradient of a function of one float64 array, with the array's shape."""
    gradient, moved = np.zeros_like(at), at.copy()
    for index in np.ndindex(at.shape):
        moved[index] = at[index] + _STEP
        above = function(moved)
        moved[index] = at[index] - _STEP
        gradient[index] = (above - function(moved)) / (2 * _STEP)
        moved[index] = at[index]
    return gradient


def precise_slopes(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Return the derivative of a smooth function of single numbers at each of them, to 13 digits or so."""
    pairs = [function(at + k * _WIDE_STEP) - function(at - k * _WIDE_STEP) for k in (1, 2, 3, 4)]
    return np.asarray(sum(factor * pair for factor, pair in zip(_EIGHTH_ORDER, pairs, strict=True)) / _WIDE_STEP)
