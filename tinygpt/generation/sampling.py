"""How the next token is chosen from its scores.

Temperature divides the scores before the softmax (0 takes the best token); top-k keeps the k best (Fan et al. 2018).
Equal scores rank by id, so every choice is a function of the scores and the generator alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinygpt.data import Tokenizer
from tinygpt.errors import ConfigError, DivergedError

# Colder than this makes no difference: scores that differ at all differ by far more than e^x can hold.
COLDEST = 1e-250


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is chosen, and how many are.

    Attributes:
        n_tokens: tokens to generate, at least 1.
        temperature: 0 takes the best token; 1 samples from the model's own distribution.
        top_k: keep only the k best tokens, 1 to 256; all when None.
        seed: of the random choices.

    Raises:
        ConfigError: a field is outside its range.
    """

    n_tokens: int
    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        run = "invoke sample --tokens 200 --temperature 0.8 --top-k 40 --seed 0"
        for name, low, high in (("n_tokens", 1, None), ("top_k", 1, Tokenizer.vocab_size), ("seed", 0, None)):
            value = getattr(self, name)
            if name == "top_k" and value is None:
                continue
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or value < low or (high is not None and value > high):
                allowed = f"a whole number, {low} or more" if high is None else f"a whole number from {low} to {high}"
                raise ConfigError(f"{name} is {value!r}", allowed, run)
        number = isinstance(self.temperature, int | float) and not isinstance(self.temperature, bool)
        if not number or not math.isfinite(self.temperature) or self.temperature < 0:
            raise ConfigError(f"temperature is {self.temperature!r}", "a finite number, 0 or more", run)


def choose_token(scores: np.ndarray, settings: SamplingSettings, rng: np.random.Generator) -> int:
    """Draw one token id from scores (V,). Equal scores rank by id, so top_k=1 and temperature 0 agree.

    Raises:
        DivergedError: the best score is not a finite number, as with weights of a run that diverged.
    """
    best = int(scores.argmax())  # a NaN counts as the largest
    if not math.isfinite(scores[best]):
        raise DivergedError(
            f"the model's best score is {scores[best]}", "finite weights", "invoke sample with another --checkpoint"
        )
    if settings.temperature == 0:
        return best
    ranked = (-scores).argsort(kind="stable")[: settings.top_k]  # best first
    weights = scores[ranked].astype(np.float64)
    weights -= weights[0]
    weights /= max(settings.temperature, COLDEST)
    cumulative = np.exp(weights, out=weights).cumsum()
    # random() is below 1, so the position found is below the last one that carries weight.
    return int(ranked[cumulative.searchsorted(rng.random() * cumulative[-1], side="right")])
