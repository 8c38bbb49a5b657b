"""Held-out loss as a function of tokens, fitted to a training run.

    L(t) = a + b / (1 + (t / τ)^c)          t tokens, L nats per byte

For t ≫ τ this is the power law a + b τ^c t^−c. Below τ it is flat: from the first tokens a model learns the
frequencies of bytes and their pairs, and the loss stays there until it learns more structure. Before the first
evaluation, where the loss falls from ln V, the run's own training losses are used instead of the fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import least_squares

MIN_EVALUATIONS = 5
_UNTRAINED = math.log(256)  # loss of a model that has learnt nothing, ln V
_Parameters = tuple[float, float, float, float]  # a, b, log τ, c


@dataclass(frozen=True)
class LossCurve:
    """A fitted curve.

    Attributes:
        parameters: a, b, log τ and c of the equation; τ in tokens.
        residual: largest difference between the curve and an evaluation.
        early: tokens and training loss at points before the first evaluation, rising.
        first_tokens, last_tokens: tokens at the first and the last evaluation.
    """

    parameters: _Parameters
    residual: float
    early: tuple[tuple[float, float], ...]
    first_tokens: float
    last_tokens: float

    def at(self, tokens: float) -> float:
        """Return the loss to expect after so many tokens, at least 1; before the first evaluation interpolated."""
        if tokens >= self.first_tokens or not self.early:
            return float(_curve(self.parameters, np.array([tokens]))[0])
        first = float(_curve(self.parameters, np.array([self.first_tokens]))[0])
        known, losses = zip((1.0, _UNTRAINED), *self.early, (self.first_tokens, first), strict=True)
        return float(np.interp(math.log(tokens), np.log(known), losses))

    def distance(self, tokens: float) -> float:
        """Return the doublings of tokens from the nearest count that the run recorded; 0 inside the run."""
        begin = self.early[0][0] if self.early else self.first_tokens
        return max(0.0, math.log2(tokens / self.last_tokens), math.log2(begin / tokens))


def fit_loss_curve(
    tokens: Sequence[float], losses: Sequence[float], early: Sequence[tuple[float, float]] = ()
) -> LossCurve | None:
    """Fit a run's evaluations; return None with fewer than ``MIN_EVALUATIONS`` or a loss that is not finite.

    Args:
        tokens: before each evaluation, rising, above 0.
        losses: held-out losses, nats per byte.
        early: tokens and training loss, rising; one at the first evaluation shows how far the two losses are apart.
    """
    x, y = np.asarray(tokens, np.float64), np.asarray(losses, np.float64)
    if len(x) < MIN_EVALUATIONS or not np.isfinite(y).all():
        return None
    fitted = _fit(tuple(x.tolist()), tuple(y.tolist()))
    apart = [abs(loss - y[0]) for t, loss in early if t == x[0]]
    return LossCurve(
        fitted,
        residual=float(max([*np.abs(_curve(fitted, x) - y), *apart])),
        early=tuple(point for point in early if point[0] < x[0]),
        first_tokens=float(x[0]),
        last_tokens=float(x[-1]),
    )


def _curve(parameters: Sequence[float], tokens: np.ndarray) -> np.ndarray:
    a, b, log_tau, c = parameters
    return a + b / (1.0 + np.exp(c * (np.log(tokens) - log_tau)))


@lru_cache(maxsize=4096)  # tables fit the same runs again
def _fit(tokens: tuple[float, ...], losses: tuple[float, ...]) -> _Parameters:
    """Fit by least squares from a fixed start, so that equal data give equal curves."""
    x, y = np.array(tokens), np.array(losses)
    middle, lowest = float(np.log(np.median(x))), float(y.min())
    start = [0.7 * lowest, 0.7 * float(y.max()), middle, 1.0]
    bounds = ([0.0, 1e-3, middle - 6.0, 0.1], [lowest, _UNTRAINED, middle + 4.0, 3.0])
    solution = least_squares(lambda q: _curve(q, x) - y, start, lambda q: _slopes(q, x), bounds)
    a, b, log_tau, c = (float(value) for value in solution.x)
    return a, b, log_tau, c


def _slopes(parameters: Sequence[float], tokens: np.ndarray) -> np.ndarray:
    """∂L/∂(a, b, log τ, c), (n, 4), with s = 1 / (1 + (t / τ)^c) and ∂s/∂(c log (t / τ)) = −s (1 − s)."""
    _, b, log_tau, c = parameters
    away = np.log(tokens) - log_tau
    share = 1.0 / (1.0 + np.exp(c * away))
    slope = -b * share * (1.0 - share)
    return np.stack([np.ones_like(share), share, -c * slope, away * slope], axis=1)
