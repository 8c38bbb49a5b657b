"""Held-out loss as a function of tokens, fitted to a training run, with an error from a back-test.

    L(t) = a + b / (1 + (t / τ)^c)          t tokens, L nats per token

For t ≫ τ this is the power law a + b τ^c t^−c. Below τ it is flat: from the first tokens a model learns the
frequencies of bytes and their pairs, and the loss stays there until it learns more structure. Before the first
evaluation, where the loss falls from ln V, the run's own training losses are used instead of the fit.

Error. The fit is repeated with the evaluations up to the middle of the run, up to the next one, and so on, and each fit
predicts the last evaluation. The largest |predicted − measured| per doubling of tokens is the error. Beyond the run an
estimate's error is that times the doublings since the run's end, plus the fit's largest residual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

MIN_EVALUATIONS = 6
_UNTRAINED = math.log(256)  # loss of a model that has learnt nothing, ln V
_TRUSTED_DOUBLINGS = 4.0  # beyond sixteen times the run, a curve means nothing


@dataclass(frozen=True)
class LossEstimate:
    """An expected held-out loss.

    Attributes:
        loss: nats per token.
        error: to both sides.
        extrapolation: tokens over those of the curve's run; above 1 beyond the run.
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
        early_tokens, early_losses: points before the first evaluation, rising, and their averaged training losses.
        first_tokens, last_tokens: tokens at the first and the last evaluation.
    """

    a: float
    b: float
    tau: float
    c: float
    residual: float
    error_per_doubling: float
    early_tokens: tuple[float, ...]
    early_losses: tuple[float, ...]
    first_tokens: float
    last_tokens: float

    def at(self, tokens: float) -> LossEstimate | None:
        """Return the loss to expect after so many tokens; None too far beyond the run."""
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
        """Interpolate between two known losses over log t; the error is half their difference."""
        known = np.log([1.0, *self.early_tokens, self.first_tokens])
        losses = [_UNTRAINED, *self.early_losses, self._fitted(self.first_tokens)]
        log_tokens = math.log(max(tokens, 1.0))
        left = min(int(np.searchsorted(known, log_tokens, side="right")), len(known) - 1) - 1
        return float(np.interp(log_tokens, known, losses)), abs(losses[left] - losses[left + 1]) / 2.0


def fit_loss_curve(
    tokens: Sequence[float],
    losses: Sequence[float],
    early_tokens: Sequence[float] = (),
    early_losses: Sequence[float] = (),
) -> LossCurve | None:
    """Fit a run's evaluations; return None with fewer than ``MIN_EVALUATIONS`` or a loss that is not finite.

    Args:
        tokens: before each evaluation, rising, above 0.
        losses: held-out losses, nats per token.
        early_tokens: points before the first evaluation with a known training loss, rising.
        early_losses: those training losses.
    """
    x, y = np.asarray(tokens, np.float64), np.asarray(losses, np.float64)
    if len(x) < MIN_EVALUATIONS or not np.isfinite(y).all():
        return None
    a, b, log_tau, c = fitted = _fit(x, y)
    early = [(t, loss) for t, loss in zip(early_tokens, early_losses, strict=True) if t < x[0]]
    return LossCurve(
        a,
        b,
        math.exp(log_tau),
        c,
        residual=float(np.abs(_curve(fitted, x) - y).max()),
        error_per_doubling=_back_test(x, y),
        early_tokens=tuple(t for t, _ in early),
        early_losses=tuple(loss for _, loss in early),
        first_tokens=float(x[0]),
        last_tokens=float(x[-1]),
    )


_Parameters = tuple[float, float, float, float]  # a, b, log τ, c


def _curve(parameters: _Parameters, tokens: np.ndarray) -> np.ndarray:
    a, b, log_tau, c = parameters
    return a + b / (1.0 + np.exp(c * (np.log(tokens) - log_tau)))


def _fit(x: np.ndarray, y: np.ndarray) -> _Parameters:
    """Fit by least squares from a fixed start, so that equal data give equal curves."""
    middle, lowest = float(np.log(np.median(x))), float(y.min())
    start = [0.7 * lowest, 0.7 * float(y.max()), middle, 1.0]
    bounds = ([0.0, 1e-3, middle - 6.0, 0.1], [lowest, _UNTRAINED, middle + 4.0, 3.0])
    solution = least_squares(lambda q: _curve((q[0], q[1], q[2], q[3]), x) - y, start, bounds=bounds)
    a, b, log_tau, c = (float(value) for value in solution.x)
    return a, b, log_tau, c


def _back_test(x: np.ndarray, y: np.ndarray) -> float:
    """Predict the last evaluation from the first half or more; return the largest error per doubling of tokens."""
    errors = []
    for count in range(max(MIN_EVALUATIONS - 1, len(x) // 2), len(x)):
        predicted = _curve(_fit(x[:count], y[:count]), x[-1:])[0]
        errors.append(abs(predicted - y[-1]) / max(0.5, math.log2(x[-1] / x[count - 1])))
    return float(max(errors))
