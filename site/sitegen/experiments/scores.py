"""Attention with and without the factor 1/√C, over random queries, keys and values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tinygpt.layers import attention

POSITIONS = 32  # the last of them may attend to all
WIDTHS = (4, 8, 16, 32, 64, 128, 256)
_ROWS = 64


@dataclass(frozen=True)
class Scores:
    """Attention over random vectors of one width.

    Attributes:
        width: C.
        scaled: the scores are divided by √C.
        deviation: standard deviation of the scores.
        positions: e to the entropy of the last position's weights: to how many positions it attends.
        slope: Σ A (1 − A) of the last position: the derivatives of its weights by their own scores, added up.
    """

    width: int
    scaled: bool
    deviation: float
    positions: float
    slope: float


@lru_cache
def random_scores(width: int, scaled: bool) -> Scores:
    """Measure attention over vectors from N(0, 1), (64, 32, C) each."""
    rng = np.random.default_rng(0)
    qkv = rng.standard_normal((_ROWS, POSITIONS, 3 * width))
    if not scaled:
        qkv[..., :width] *= math.sqrt(width)  # a longer query undoes the division
    _, cache = attention(qkv, n_heads=1)
    q, k, _, a = cache
    seen = np.tri(POSITIONS, dtype=bool)
    scores = (q @ k.swapaxes(-1, -2) / math.sqrt(width))[:, :, seen]
    last = a[:, :, -1]
    entropy = -(last * np.log(np.maximum(last, np.finfo(last.dtype).tiny))).sum(axis=-1)
    slope = (last * (1 - last)).sum(axis=-1)
    return Scores(width, scaled, float(scores.std()), float(np.exp(entropy).mean()), float(slope.mean()))
