"""e^x in float32 as a polynomial, which the compiler turns into vector instructions.

    x = n ln 2 + r,  n whole,  |r| ≤ ½ ln 2        e^x = 2^(n−1) · 2 e^r

2 e^r is a polynomial of degree 6 through the Chebyshev nodes of the interval. docs/fast/compiled.md derives a bound of
its error. Results below 2⁻¹²⁵ are 0, results above float32's largest number are infinite, and NaN stays NaN.
"""

from __future__ import annotations

import numpy as np

from tinygpt.engines.loops.compiling import loop

# Adding this number rounds to a whole one, and leaves n + 126 in the last bits: 2^(n−1), once they are the exponent.
_ROUND = np.float32(1.5 * 2**23 + 126)
_LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts. The first has nine bits, so that its product with n is exact (Cody & Waite 1980).
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.1219444005469057e-4)
# Beyond these, n is −126 (the last bits are 0: the result is 0) and 128 (the result overflows).
LEAST, LARGEST = np.float32(-87.3), np.float32(88.8)
# 2 e^r, constant first; tests/tinygpt/engines/test_exponential.py computes them again.
COEFFICIENTS = (
    np.float32(2.0),
    np.float32(2.0),
    np.float32(1.0),
    np.float32(0.3333283066749573),
    np.float32(0.08333270251750946),
    np.float32(0.01675025187432766),
    np.float32(0.0027882216963917017),
)
_C0, _C1, _C2, _C3, _C4, _C5, _C6 = COEFFICIENTS


@loop
def exponential(x: np.float32) -> np.float32:
    """Return e^x."""
    x = LEAST if x < LEAST else x
    x = LARGEST if x > LARGEST else x
    shifted = x * _LOG2_E + _ROUND
    n = shifted - _ROUND
    r = x - n * LN2_HIGH
    r = r - n * LN2_LOW
    p = _C5 + r * _C6
    p = _C4 + r * p
    p = _C3 + r * p
    p = _C2 + r * p
    p = _C1 + r * p
    p = _C0 + r * p
    return p * np.int32(np.float32(shifted).view(np.int32) << 23).view(np.float32)
