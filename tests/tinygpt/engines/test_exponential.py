"""The polynomial exponential over float32: sampled densely, with NaN, infinities and the smallest numbers."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev

numba = pytest.importorskip("numba")

from tinygpt.engines.loops.compiling import loop  # noqa: E402
from tinygpt.engines.loops.exponential import COEFFICIENTS, exponential  # noqa: E402

# Of the result, as docs/fast/compiled.md derives it.
BOUND = 1.5 * 2.0**-23
SMALLEST = 2.0**-126  # below 2⁻¹²⁵ a result is 0


@loop
def exponentials(x, y):
    for i in range(len(x)):
        y[i] = exponential(x[i])


def computed(x):
    y = np.empty_like(x)
    exponentials(x, y)
    return y


def test_the_coefficients_interpolate_at_chebyshevs_nodes():
    half = np.log(2.0) / 2.0
    series = chebyshev.chebinterpolate(lambda t: 2.0 * np.exp(half * t), 6)
    expected = chebyshev.cheb2poly(series) / half ** np.arange(7)
    np.testing.assert_array_equal(np.float32(COEFFICIENTS), expected.astype(np.float32))


def test_the_error_is_below_its_bound_over_all_float32():
    # Every 997th bit pattern of either sign: four million numbers, in all exponents.
    x = np.arange(0, 2**32, 997, dtype=np.uint32).view(np.float32)
    x = x[np.isfinite(x)]
    y = computed(x).astype(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        expected = np.exp(x.astype(np.float64))
    largest = float(np.finfo(np.float32).max)
    inside = (expected > 2.0**-125) & (expected < largest * (1.0 - BOUND))
    assert (np.abs(y[inside] - expected[inside]) <= BOUND * expected[inside]).all()
    assert (np.abs(y[expected <= 2.0**-125] - 0.0) <= 2.0**-125 * (1.0 + BOUND)).all()
    assert np.isinf(y[expected > largest * (1.0 + BOUND)]).all()


def test_what_is_not_a_number_or_infinite_passes():
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 1e-38, 88.72, 89.0, -87.4, -1e30], np.float32)
    y = computed(np.tile(x, 9))  # long enough for vector instructions, with a rest
    expected = np.array([np.nan, np.inf, 0, 1, 1, 1, 1, 1, np.exp(np.float64(x[8])), np.inf, 0, 0])
    np.testing.assert_allclose(y, np.tile(expected, 9), rtol=BOUND)
