"""The cases of the failure clinic: a healthy training run, and runs with one thing wrong each.

Every case is the readable engine, ``numpy``, with one method of it, of its sampler or one setting replaced. Nothing in
the engine knows of a fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tinygpt.data import Batch, BatchSampler
from tinygpt.engines.numpy import HeadsCache, NormCache, NumpyEngine
from tinygpt.layers import merge_heads, softmax, split_heads
from tinygpt.params import Arrays
from tinygpt.table import Table


class UnshiftedSampler(BatchSampler):
    """Batches whose targets are the inputs themselves, not the bytes after them."""

    def batch(self, step: int, rows: slice = slice(None)) -> Batch:
        """Return a step's batch with the fault."""
        inputs = super().batch(step, rows).inputs
        return Batch(inputs, inputs)


class UnmaskedEngine(NumpyEngine):
    """Attention without the causal mask: P = softmax(q kᵀ / √C)."""

    def _attention(self, qkv: np.ndarray) -> tuple[np.ndarray, HeadsCache]:
        q, k, v = (split_heads(part, self.config.n_heads) for part in np.split(qkv, 3, axis=-1))
        p = softmax(q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1]))
        return merge_heads(p @ v), (q, k, v, p)


class NormBackwardEngine(NumpyEngine):
    """A backward of layer normalisation that forgets the mean: dx = r (dx̂ − x̂ · mean(dx̂ · x̂)), without − mean(dx̂)."""

    def _norm_backward(self, name: str, dy: np.ndarray, cache: NormCache, grads: Arrays) -> np.ndarray:
        super()._norm_backward(name, dy, cache, grads)
        x_hat, r = cache
        g = dy * self.weights[f"{name}.weight"]
        dx: np.ndarray = r * (g - x_hat * (g * x_hat).mean(axis=-1, keepdims=True))
        return dx


class ScoreBackwardEngine(NumpyEngine):
    """A backward of attention without its factor 1/√C: dq and dk are √C times too large, dv is right."""

    def _attention_backward(self, dy: np.ndarray, heads: HeadsCache) -> np.ndarray:
        dq, dk, dv = np.split(super()._attention_backward(dy, heads), 3, axis=-1)
        scale = math.sqrt(heads[0].shape[-1])
        return np.concatenate([scale * dq, scale * dk, dv], axis=-1)


@dataclass(frozen=True)
class Case:
    """One run of the clinic.

    Attributes:
        name: on the command line, in rows and in numbers of pages.
        title: in figures and tables.
        engine: with its fault, if that is where the fault is.
        sampler: likewise.
        rate: times the healthy learning rate.
        train_bytes: the training text is cut to so many bytes; None for all.
    """

    name: str
    title: str
    engine: type[NumpyEngine] = NumpyEngine
    sampler: type[BatchSampler] = BatchSampler
    rate: float = 1.0
    train_bytes: int | None = None


HEALTHY = "healthy"

# The original's default text had 863 bytes, and its rate was ten times its reference's.
_CASES = (
    Case(HEALTHY, "healthy"),
    Case("shift", "targets not shifted", sampler=UnshiftedSampler),
    Case("mask", "no causal mask", engine=UnmaskedEngine),
    Case("rate", "rate ten times too high", rate=10.0),
    Case("text", "863 bytes of text", train_bytes=863),
    Case("norm", "layer norm's backward without the mean", engine=NormBackwardEngine),
    Case("score", "attention's backward without 1/√C", engine=ScoreBackwardEngine),
)
CASES = Table("case", {case.name: case for case in _CASES})


def chosen_cases(names: Iterable[str]) -> tuple[Case, ...]:
    """Return the cases of these names, all of them if there are none; raise a ConfigError for an unknown name."""
    return tuple(CASES[name] for name in names) or tuple(CASES.values())
