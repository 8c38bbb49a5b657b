"""The derivative of any function, without a formula: move one input a little both ways and see the output change.

∂f/∂x_i ≈ (f(x + h e_i) − f(x − h e_i)) / 2h          the error shrinks like h²
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_STEP = 1e-5  # the cube root of float64's precision, about: errors of the formula and of rounding are equal there


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
