"""Updates and masks as the library computes them: the first AdamW step, the end of a run, the mean under dropout."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tinygpt.config import TrainConfig
from tinygpt.dropout import MaskDraw, dropped, mask_key
from tinygpt.optim import adamw_update
from tinygpt.schedule import learning_rate_at

_NUMBERS = 200
_UPDATES = 1000


def _moments(parameter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros_like(parameter), np.zeros_like(parameter)


@lru_cache
def first_update_share(learning_rate: float) -> float:
    """Compute the first update's length for weights of N(0, 0.02), as a share of their standard deviation."""
    rng = np.random.default_rng(0)
    weights = 0.02 * rng.standard_normal(_NUMBERS)
    gradient = 1e-4 * rng.standard_normal(_NUMBERS)
    before, (first, second) = weights.copy(), _moments(weights)
    adamw_update(weights, gradient, first, second, 1, learning_rate, TrainConfig(1), decayed=True)
    return float(np.sqrt(np.mean((weights - before) ** 2)) / before.std())


@lru_cache
def distance_at_the_end(decays: bool) -> float:
    """The distance from the minimum of ½ p², root mean square, after 1,000 updates with noisy gradients.

    Each of 200 numbers begins at 1 and gets the gradient p plus noise of N(0, 1), as if from one batch.
    """
    train = TrainConfig(1, learning_rate=0.01, weight_decay=0.0, decay_steps=_UPDATES if decays else 0)
    rng = np.random.default_rng(0)
    p = np.ones(_NUMBERS)
    first, second = _moments(p)
    for step in range(_UPDATES):
        gradient = p + rng.standard_normal(_NUMBERS)
        adamw_update(p, gradient, first, second, step + 1, learning_rate_at(train, step), train, decayed=False)
    return float(np.sqrt(np.mean(p * p)))


@dataclass(frozen=True)
class Dropped:
    """The mean of many masked copies of a row whose mean is 1.

    Attributes:
        share: of the numbers that became 0.
        mean: of all numbers.
        deviation: their standard deviation.
    """

    share: float
    mean: float
    deviation: float


@lru_cache
def dropout_of_ones(rate: float) -> Dropped:
    """Apply the library's masks at a rate to ones, (1, 64, 64, 64)."""
    masks = np.empty((1, 64, 64, 64), np.float32)
    MaskDraw(rate, mask_key(0), step=0).fill(masks, first_row=0)
    x = dropped(np.ones_like(masks), masks)
    return Dropped(float((x == 0).mean()), float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64)))
