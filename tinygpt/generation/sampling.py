"""The choice of the next token from its scores, with the names and in the order of transformers' ``generate``.

    scores ─► repetition penalty ─► temperature ─► top-k ─► top-p ─► min-p ─► softmax ─► a token

The repetition penalty divides the score of a token that the text already has, or multiplies one below 0 (Keskar et al.
2019, CTRL). Temperature divides the scores before the softmax (0 takes the best token). The rest keeps a part of the
ranking: the k best tokens (Fan et al. 2018); the best ones that together have probability p (nucleus sampling, Holtzman
et al. 2019); those with at least a share of the best one's probability (Nguyen et al. 2024).

Equal scores rank by id, so a choice depends only on the scores and the random generator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from tinygpt.arguments import check_fields, number, whole_number, wrong
from tinygpt.errors import DivergedError
from tinygpt.tokenizers import text_bytes

# Lower temperatures make no difference: any two different scores already differ by more than e^x can represent.
COLDEST = 1e-250


@dataclass(frozen=True)
class SamplingSettings:
    """Settings of a generation.

    Attributes:
        max_new_tokens: number of tokens to generate, at least 1; fewer if the text ends before.
        temperature: 0 takes the best token; 1 samples from the model's own distribution.
        top_k: keep only the k best tokens; None keeps all.
        seed: seeds the random choices.
        top_p: keep the best tokens that together have this probability, above 0 to 1.
        min_p: keep tokens with at least this share of the best one's probability, 0 to 1.
        repetition_penalty: divides the scores of tokens that the text already has; 1 changes nothing.
        stop_strings: texts that end the generation, and are its last bytes; text (as UTF-8) or bytes, one or several.
        eos_token_id: the token that ends the generation and is no part of it; None for no such token.

    Raises:
        ConfigError: a field is outside its range.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop_strings: str | bytes | Sequence[str | bytes] = ()
    eos_token_id: int | None = None

    def __post_init__(self) -> None:
        check_fields(self, whole_number, "max_new_tokens", least=1)
        check_fields(self, whole_number, "seed")
        check_fields(self, number, "temperature")
        check_fields(self, number, "top_p", most=1.0, above=True)
        check_fields(self, number, "min_p", most=1.0)
        check_fields(self, number, "repetition_penalty", above=True)
        if self.top_k is not None:
            check_fields(self, whole_number, "top_k", least=1)
        if self.eos_token_id is not None:
            check_fields(self, whole_number, "eos_token_id")
        stops = self.stop_strings
        if not isinstance(stops, str | bytes | Sequence):
            raise wrong("stop_strings", stops, "a text, or a list of texts")
        each = [stops] if isinstance(stops, str | bytes) else stops
        object.__setattr__(self, "stop_strings", tuple(map(text_bytes, each)))
        if b"" in self.stops:
            raise wrong("stop_strings", stops, "texts of at least one byte")

    @property
    def stops(self) -> tuple[bytes, ...]:
        """The stop strings as bytes."""
        return tuple(stop for stop in self.stop_strings if isinstance(stop, bytes))

    @property
    def recorded(self) -> dict[str, Any]:
        """The settings that rows of samples have, by column."""
        own = {"temperature": self.temperature, "top_k": self.top_k, "seed": self.seed}
        return {"n_tokens": self.max_new_tokens} | own

    @property
    def penalty_factors(self) -> tuple[np.float32, np.float32]:
        """Factors of the scores of tokens that the text has: of those below 0, and of the rest."""
        return np.float32(self.repetition_penalty), np.float32(1.0 / self.repetition_penalty)

    @property
    def penalizes(self) -> bool:
        """Tokens of the text change the scores."""
        return self.repetition_penalty != 1.0


class SamplingOptions(TypedDict, total=False):
    """The last fields of :class:`SamplingSettings`, for functions that take them by name."""

    top_p: float
    min_p: float
    repetition_penalty: float
    stop_strings: str | bytes | Sequence[str | bytes]
    eos_token_id: int | None


def tokens_seen(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    """Return the tokens that a text (n,) has, as a mask (V,)."""
    seen = np.zeros(vocab_size, np.bool_)
    seen[tokens] = True
    return seen


def penalized(scores: np.ndarray, seen: np.ndarray, settings: SamplingSettings) -> np.ndarray:
    """Apply the repetition penalty to scores (V,) of the tokens that the text has, a mask (V,)."""
    if not settings.penalizes:
        return scores
    return np.where(seen, scores * np.where(scores < 0, *settings.penalty_factors), scores)


def choose_token(scores: np.ndarray, settings: SamplingSettings, rng: np.random.Generator) -> int:
    """Draw one token id from penalized scores (V,). Equal scores rank by id, so top_k=1 and temperature 0 agree.

    Raises:
        DivergedError: the best score is not finite, as with the weights of a diverged run.
    """
    best = int(scores.argmax())  # a NaN counts as the largest
    if not math.isfinite(scores[best]):
        raise DivergedError(f"the model's best score is {scores[best]}", "finite weights, of another checkpoint")
    if settings.temperature == 0:
        return best
    kept, weights = kept_tokens(scores, settings)
    cumulative = weights.cumsum()
    # random() is below 1, so the position is at most that of the last positive weight.
    return int(kept[cumulative.searchsorted(rng.random() * cumulative[-1], side="right")])


def kept_tokens(scores: np.ndarray, settings: SamplingSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids to choose from, best first, and their probabilities relative to the best one's."""
    ranked = (-scores).argsort(kind="stable")[: settings.top_k]
    weights = scores[ranked].astype(np.float64)
    weights -= weights[0]
    weights /= max(settings.temperature, COLDEST)
    np.exp(weights, out=weights)
    if settings.top_p < 1.0:
        reached = weights.cumsum()
        weights = weights[: 1 + reached[:-1].searchsorted(settings.top_p * reached[-1])]
    if settings.min_p > 0.0:
        weights = weights[weights >= settings.min_p]
    return ranked[: len(weights)], weights
