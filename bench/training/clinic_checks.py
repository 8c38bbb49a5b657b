"""Three checks that tell a wrong program from a bad recipe, each in a few lines and without a reference.

They look at a batch, at the logits and at the gradients, so they hold for any engine that has these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygpt.data import Batch
from tinygpt.engines.base import Engine
from tinygpt.engines.numpy import NumpyEngine

LEAK_AT_MOST = 1e-4
GRADIENT_ERROR_AT_MOST = 1e-4
_H = 1e-5


@dataclass(frozen=True)
class Findings:
    """The results of the checks.

    Attributes:
        is_shifted: every target is the input after it.
        leak: largest change of a logit at a position before the one byte that was changed.
        gradient_error: largest relative distance between a parameter's gradient and its finite difference.
        wrong_from: of the layers with a wrong gradient, the one that is nearest to the loss; None if all are right. The
            fault is in its backward or in the layer after it.
    """

    is_shifted: bool
    leak: float
    gradient_error: float
    wrong_from: str | None

    @property
    def leaks(self) -> bool:
        """True if a prediction depends on a later byte."""
        return self.leak > LEAK_AT_MOST

    @property
    def has_wrong_gradient(self) -> bool:
        """True if the backward is not the forward's derivative."""
        return self.wrong_from is not None


def check(engine: NumpyEngine, batch: Batch, seed: int = 0) -> Findings:
    """Run all three checks on an engine and a batch as its training reads it."""
    errors = gradient_errors(engine, batch, seed)
    wrong = [name for name, error in errors.items() if not error <= GRADIENT_ERROR_AT_MOST]
    nearest = wrong[-1].rpartition(".")[0] if wrong else None  # parameters are in the order of the data flow
    return Findings(is_shifted(batch), leak(engine, batch.inputs), max(errors.values()), nearest)


def is_shifted(batch: Batch) -> bool:
    """Return whether the target at each position is the input at the next one."""
    return np.array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])


def leak(engine: Engine, inputs: np.ndarray) -> float:
    """Change the last byte of each row (B, T), and return the largest change of a logit before it."""
    changed = inputs.copy()
    changed[:, -1] = (changed[:, -1] + 1) % engine.config.vocab_size
    before, after = engine.logits(inputs)[:, :-1], engine.logits(changed)[:, :-1]
    return float(np.abs(after - before).max())


def gradient_errors(engine: NumpyEngine, batch: Batch, seed: int = 0) -> dict[str, float]:
    """Compare each parameter's gradient with a finite difference, in float64, along one random direction.

    (loss(w + h d) − loss(w − h d)) / 2 h against Σ gradient · d, relative to the larger of the two. One direction for a
    whole array is enough: a wrong gradient agrees along it only by accident.
    """
    double = type(engine)(engine.config, engine.train)
    double.weights = {name: value.astype(np.float64) for name, value in engine.weights.items()}
    rng = np.random.default_rng(seed)
    gradients = double.loss_and_gradients(batch.inputs, batch.targets)[1]
    errors = {}
    for name, weight in double.weights.items():
        direction = rng.normal(size=weight.shape)
        losses = []
        for step in (_H, -_H):
            double.weights[name] = weight + step * direction
            losses.append(double.loss_and_gradients(batch.inputs, batch.targets)[0])
        double.weights[name] = weight
        measured = (losses[0] - losses[1]) / (2 * _H)
        claimed = float((gradients[name] * direction).sum())
        errors[name] = abs(measured - claimed) / max(abs(measured), abs(claimed), 1e-8)
    return errors
