"""Products of our own against NumPy in double precision: all forms, with rests of rows, panels and depth."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tinygpt.config import ModelConfig
from tinygpt.engines.compiled.memory import START, room_numbers
from tinygpt.engines.compiled.products import LARGEST, multiply_arrays

MODEL = ModelConfig(n_layers=1, d_model=64, n_heads=2, context_length=8)  # its widest matrix has 256 columns


@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0)])
@pytest.mark.parametrize("start", ["nothing", "row", "result"])
def test_products_match_double_precision(turned, start):
    rng = np.random.default_rng(0)
    room = np.full(room_numbers(MODEL, MODEL.context_length), np.nan, np.float32)
    room[:START] = 0.0
    shapes = [(1, 1, 1), (6, 16, 16), (7, 63, 128), (13, 65, 129), (50, 17, 300), (200, 144, 48)]
    shapes.append((2, 8, LARGEST // 8 + 1))  # by the library
    for m, n, k in shapes:
        a, b, before = (rng.standard_normal(shape, np.float32) for shape in ((m, k), (k, n), (m, n)))
        starts = {"nothing": before[:0], "row": before[:1].copy(), "result": before}
        expected = a.astype(np.float64) @ b + (0.0 if start == "nothing" else starts[start])
        stored = [np.ascontiguousarray(x.T) if flag else x for x, flag in zip((a, b), turned, strict=True)]
        multiply_arrays(*turned, k, *stored, starts[start], before, room)
        np.testing.assert_allclose(before, expected, atol=1e-6 * k + 1e-5)
