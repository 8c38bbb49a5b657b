"""A layer normalisation together with the projection that reads it, which cost less as one operation.

With x̂ the normalised rows and b_ln the norm's bias, the pair computes y = (x̂ · gain + b_ln) W + b. It has two forms,
equal except for rounding:

Plain     y = normed W + b, as written: passes over (N, D) for gain and bias, forward and backward.
Folded    y = x̂ W′ + b′ with W′ = diag(gain) W and b′ = b_ln W + b. The passes are over the D rows of the weight, once
          per step, instead of the N rows of the batch. W′ is then centred over its inputs. That leaves y unchanged
          (x̂ sums to zero) and makes the input's gradient dx̂ = dy W′ᵀ sum to zero, so that the normalisation's
          backward needs no mean of dx̂.

          The batch gives dW′ and db′, from which follow
              dW = diag(gain) dW′ + b_lnᵀ db′      db = db′
              dgain_i = Σ_o W_io dW′_io         db_ln = db′ Wᵀ

In both forms the bias is the weight's last row and the input rows end in a 1, so that one product adds the bias in the
forward and sums its gradient in the backward. Folding pays if the batch has a few times more rows than the weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tinygpt.engines.vectorized.adapter import adapter_of
from tinygpt.engines.vectorized.arena import Allocate, Arena
from tinygpt.engines.vectorized.kernels import TILE

Array = np.ndarray


@dataclass(frozen=True)
class NormNames:
    """Names of a pair's parameters.

    Attributes:
        norm: the norm, such as ``h.0.ln_1``.
        projection: the projection, such as ``h.0.attn.c_attn``.
        scaled: number of first outputs that are multiplied by ``scale``: the attention's queries.
        scale: 1/√C for the queries.
    """

    norm: str
    projection: str
    scaled: int = 0
    scale: float = 1.0


class NormProjection(ABC):
    """The pair y = norm(x) W + b, without the part that depends only on x."""

    def __init__(self, names: NormNames, arena: Arena) -> None:
        p = arena.parameters
        self.names = names
        self.gain, self.norm_bias = p[f"{names.norm}.weight"], p[f"{names.norm}.bias"]
        self.weight, self.bias = p[f"{names.projection}.weight"], p[f"{names.projection}.bias"]
        self.joined = arena.joined(arena.flat_parameters, names.projection)  # (D + 1, O)
        self.arena = arena

    @abstractmethod
    def forward(self, hat: Array, normed: Array, out: Array) -> None:
        """out (N, O) ← the pair's output.

        Args:
            hat: x̂ and a column of ones, (N, D + 1).
            normed: work space for the norm's output and a column of ones, (N, D + 1).
            out: written.
        """

    @abstractmethod
    def backward(self, dy: Array, hat: Array, normed: Array, gradient: int, out: Array, mean_vector: Array) -> None:
        """out (N, D) ← dx̂ less its mean over each row; write the gradients of the parameters.

        Args:
            dy: ∂loss/∂y, (N, O); may be overwritten.
            hat: as in the forward.
            normed: as in the forward; may be overwritten.
            gradient: index of the arena's gradient to write to.
            out: written.
            mean_vector: (D, 1) of 1/D.
        """

    @abstractmethod
    def refresh(self) -> None:
        """Fold the parameters again after they changed."""

    @abstractmethod
    def finish(self) -> None:
        """Turn dW′ and db′ in the arena's first gradient into the gradients of the parameters."""


class PlainProjection(NormProjection):
    """The plain form: the norm's gain and bias are applied to the rows."""

    def __init__(self, names: NormNames, arena: Arena) -> None:
        super().__init__(names, arena)
        self.adapter = adapter_of(arena, names.projection)

    def _affine(self, hat: Array, normed: Array) -> None:
        rows = normed[:, :-1]
        np.multiply(hat[:, :-1], self.gain, out=rows)
        rows += self.norm_bias

    def forward(self, hat: Array, normed: Array, out: Array) -> None:
        self._affine(hat, normed)
        np.matmul(normed, self.joined, out=out)
        if self.adapter is not None:
            self.adapter.forward(normed[:, :-1], out)
        if self.names.scaled:
            out[:, : self.names.scaled] *= np.float32(self.names.scale)

    def backward(self, dy: Array, hat: Array, normed: Array, gradient: int, out: Array, mean_vector: Array) -> None:
        grads, is_trained = self.arena.gradients[gradient], f"{self.names.projection}.weight" in self.arena.trained
        if self.names.scaled:
            dy[:, : self.names.scaled] *= np.float32(self.names.scale)
        if is_trained or self.adapter is not None:
            self._affine(hat, normed)
        if is_trained:
            np.matmul(normed.T, dy, out=self.arena.joined(self.arena.flat_gradients[gradient], self.names.projection))
        np.matmul(dy, self.weight.T, out=out)
        if self.adapter is not None:
            self.adapter.backward(normed[:, :-1], dy, out, gradient)
        if f"{self.names.norm}.weight" in self.arena.trained:
            norm_gradients(out, hat, grads[f"{self.names.norm}.weight"], grads[f"{self.names.norm}.bias"])
        out *= self.gain
        out -= np.matmul(out, mean_vector)

    def refresh(self) -> None:
        """Do nothing: the forward reads the parameters themselves."""

    def finish(self) -> None:
        """Do nothing: the gradients are complete."""


class FoldedProjection(NormProjection):
    """The folded form: the norm's gain and bias are part of the weight, which lies in memory from ``allocate``."""

    def __init__(self, names: NormNames, arena: Arena, allocate: Allocate) -> None:
        super().__init__(names, arena)
        self.folded = allocate(self.joined.size).reshape(self.joined.shape)  # (D + 1, O)
        self._mean_row = np.full((1, len(self.weight)), 1.0 / len(self.weight), np.float32)

    def refresh(self) -> None:
        weight = self.folded[:-1]
        np.multiply(self.weight, self.gain[:, None], out=weight)
        np.matmul(self.norm_bias, self.weight, out=self.folded[-1])
        self.folded[-1] += self.bias
        if self.names.scaled:
            self.folded[:, : self.names.scaled] *= np.float32(self.names.scale)
        weight -= np.matmul(self._mean_row, weight)

    def forward(self, hat: Array, normed: Array, out: Array) -> None:  # noqa: ARG002 (one signature for both forms)
        np.matmul(hat, self.folded, out=out)

    def backward(self, dy: Array, hat: Array, normed: Array, gradient: int, out: Array, mean_vector: Array) -> None:  # noqa: ARG002
        """Write dW′ and db′ in place of the projection's gradients until :meth:`finish`."""
        np.matmul(hat.T, dy, out=self.arena.joined(self.arena.flat_gradients[gradient], self.names.projection))
        np.matmul(dy, self.folded[:-1].T, out=out)

    def finish(self) -> None:
        grads = self.arena.gradients[0]
        both = self.arena.joined(self.arena.flat_gradients[0], self.names.projection)
        if self.names.scaled:
            both[:, : self.names.scaled] *= np.float32(self.names.scale)
        dweight, dbias = both[:-1], both[-1]
        np.vecdot(self.weight, dweight, out=grads[f"{self.names.norm}.weight"])
        np.matmul(self.weight, dbias, out=grads[f"{self.names.norm}.bias"])
        rows = max(1, TILE // len(dbias))
        for start in range(0, len(dweight), rows):
            part = dweight[start : start + rows]
            part *= self.gain[start : start + rows, None]
            part += self.norm_bias[start : start + rows, None] * dbias


def norm_gradients(dy: Array, hat: Array, dgain: Array, dbias: Array) -> None:
    """dgain ← Σ_n dy · x̂, dbias ← Σ_n dy; dy (N, D), hat (N, D + 1)."""
    np.einsum("nd,nd->d", dy, hat[:, :-1], out=dgain)
    np.matmul(np.ones((1, len(dy)), np.float32), dy, out=dbias[None])
