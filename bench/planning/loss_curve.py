"""Held-out loss over the tokens read, fitted to a training run, and how far such a fit can be trusted.

    L(t) = a + b / (1 + (t / τ)^c)          t tokens, L nats per token

For t ≫ τ this is the power law a + b τ^c t^−c; below τ it flattens out, because the first tokens teach a model the
frequencies of bytes and their pairs, and the loss rests there until more structure is found. The part before the
first evaluation, where the loss falls from ln V, is not fitted: there the run's own training losses are read off.

Error. The fit is repeated on the evaluations up to the middle of the run, up to the next one, and so on, and each time
the last evaluation is predicted: |predicted − measured| per doubling of tokens, the largest of them. Beyond the run an
estimate's error is that times the doublings since its end, plus the fit's largest residual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

MIN_EVALUATIONS = 6
_TRUSTED_DOUBLINGS = 4.0  # beyond sixteen times the run, a curve says nothing


@dataclass(frozen=True)
class LossEstimate:
    """An expected held-out loss.

    Attributes:
        loss: nats per token.
        error: how far off it may be, to both sides.
        extrapolation: tokens over the tokens of the run that the curve comes from; above 1 it lies beyond that run.
    """

    loss: float
    error: float
    extrapolation: float


@dataclass(frozen=True)
class LossCurve:
    """A fitted curve.

    Attributes:
        a, b, tau, c: as in the equation; tau in tokens.
        residual: largest |fit − measured| over the evaluations.
        error_per_doubling: from the back-test.
        early_tokens: where the run's first training losses were taken, rising.
        early_losses: those losses, averaged.
        start: loss of a model that knows nothing, ln V.
        first_tokens: tokens at the first evaluation.
        last_tokens: tokens at the last one.
    """

    a: float
    b: float
    tau: float
    c: float
    residual: float
    error_per_doubling: float
    early_tokens: tuple[float, ...]
    early_losses: tuple[float, ...]
    start: float
    first_tokens: float
    last_tokens: float

    def at(self, tokens: float) -> LossEstimate | None:
        """The loss expected after so many tokens; None too far beyond the run."""
        doublings = max(0.0, math.log2(tokens / self.last_tokens)) if tokens > 0 else 0.0
        if doublings > _TRUSTED_DOUBLINGS:
            return None
        if tokens < self.first_tokens and self.early_tokens:
            loss, error = self._early(tokens)
            return LossEstimate(loss, error, tokens / self.last_tokens)
        error = self.residual + self.error_per_doubling * doublings
        return LossEstimate(self._fitted(tokens), error, tokens / self.last_tokens)

    def _fitted(self, tokens: float) -> float:
        return float(_curve((self.a, self.b, math.log(self.tau), self.c), np.array([tokens]))[0])

    def _early(self, tokens: float) -> tuple[float, float]:
        """Between two known losses, straight over log t; the error is half the way from one to the other."""
        known = np.log([1.0, *self.early_tokens, self.first_tokens])
        losses = [self.start, *self.early_losses, self._fitted(self.first_tokens)]
        place = math.log(max(tokens, 1.0))
        left = min(int(np.searchsorted(known, place, side="right")), len(known) - 1) - 1
        return float(np.interp(place, known, losses)), abs(losses[left] - losses[left + 1]) / 2.0


def fit_loss_curve(
    tokens: Sequence[float],
    losses: Sequence[float],
    early_tokens: Sequence[float] = (),
    early_losses: Sequence[float] = (),
    largest: float = math.log(256),
) -> LossCurve | None:
    """Fit a run's evaluations.

    Args:
        tokens: read before each evaluation, rising, above 0.
        losses: held-out losses, nats per token.
        early_tokens: points before the first evaluation at which the training loss is known, rising.
        early_losses: those training losses.
        largest: a + b at most: the loss of a model that knows nothing, ln V.

    Returns:
        None with fewer than ``MIN_EVALUATIONS``, or with a loss that is not finite.
    """
    x, y = np.asarray(tokens, np.float64), np.asarray(losses, np.float64)
    if len(x) < MIN_EVALUATIONS or not np.isfinite(y).all():
        return None
    found = _fit(x, y, largest)
    early = [(t, loss) for t, loss in zip(early_tokens, early_losses, strict=True) if t < x[0]]
    return LossCurve(
        a=found[0],
        b=found[1],
        tau=math.exp(found[2]),
        c=found[3],
        residual=float(np.abs(_curve(found, x) - y).max()),
        error_per_doubling=_back_test(x, y, largest),
        early_tokens=tuple(t for t, _ in early),
        early_losses=tuple(loss for _, loss in early),
        start=largest,
        first_tokens=float(x[0]),
        last_tokens=float(x[-1]),
    )


_Parameters = tuple[float, float, float, float]  # a, b, log τ, c


def _curve(parameters: _Parameters, tokens: np.ndarray) -> np.ndarray:
    a, b, log_tau, c = parameters
    return a + b / (1.0 + np.exp(c * (np.log(tokens) - log_tau)))


def _fit(x: np.ndarray, y: np.ndarray, largest: float) -> _Parameters:
    """Least squares from a fixed start, so that equal data give equal curves."""
    middle = float(np.log(np.median(x)))
    lowest = float(y.min())
    start = [0.7 * lowest, 0.7 * float(y.max()), middle, 1.0]
    bounds = ([0.0, 1e-3, middle - 6.0, 0.1], [lowest, largest, middle + 4.0, 3.0])
    solution = least_squares(lambda q: _curve((q[0], q[1], q[2], q[3]), x) - y, start, bounds=bounds)
    a, b, log_tau, c = (float(value) for value in solution.x)
    return a, b, log_tau, c


def _back_test(x: np.ndarray, y: np.ndarray, largest: float) -> float:
    """Largest error in predicting the last evaluation from the run's first half or more, per doubling of tokens."""
    errors = []
    for count in range(max(MIN_EVALUATIONS - 1, len(x) // 2), len(x)):
        predicted = _curve(_fit(x[:count], y[:count], largest), x[-1:])[0]
        errors.append(abs(predicted - y[-1]) / max(0.5, math.log2(x[-1] / x[count - 1])))
    return float(max(errors))
