"""The choice of the next token from its scores.

Temperature divides the scores before the softmax (0 takes the best token); top-k keeps the k best (Fan et al. 2018).
Equal scores rank by id, so a choice depends only on the scores and the random generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import check_fields, number, whole_number
from tinygpt.errors import DivergedError

# Lower temperatures make no difference: any two different scores already differ by more than e^x can represent.
COLDEST = 1e-250


@dataclass(frozen=True)
class SamplingSettings:
    """Settings of a generation.

    Attributes:
        n_tokens: number of tokens to generate, at least 1.
        temperature: 0 takes the best token; 1 samples from the model's own distribution.
        top_k: keep only the k best tokens; None keeps all.
        seed: seeds the random choices.

    Raises:
        ConfigError: a field is outside its range.
    """

    n_tokens: int
    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self, whole_number, "n_tokens", least=1)
        check_fields(self, whole_number, "seed")
        check_fields(self, number, "temperature")
        if self.top_k is not None:
            check_fields(self, whole_number, "top_k", least=1)


def choose_token(scores: np.ndarray, settings: SamplingSettings, rng: np.random.Generator) -> int:
    """Draw one token id from scores (V,). Equal scores rank by id, so top_k=1 and temperature 0 agree.

    Raises:
        DivergedError: the best score is not finite, as with the weights of a diverged run.
    """
    best = int(scores.argmax())  # a NaN counts as the largest
    if not math.isfinite(scores[best]):
        raise DivergedError(f"the model's best score is {scores[best]}", "finite weights, of another checkpoint")
    if settings.temperature == 0:
        return best
    ranked = (-scores).argsort(kind="stable")[: settings.top_k]  # best first
    weights = scores[ranked].astype(np.float64)
    weights -= weights[0]
    weights /= max(settings.temperature, COLDEST)
    cumulative = np.exp(weights, out=weights).cumsum()
    # random() is below 1, so the position is at most that of the last positive weight.
    return int(ranked[cumulative.searchsorted(rng.random() * cumulative[-1], side="right")])
