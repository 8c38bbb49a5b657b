"""A layer normalisation together with the projection that reads it: the two cost less as one.

With x̂ the normalised rows, the pair computes y = (x̂ · gain + shift) W + b. Two forms, equal but for rounding:

Plain     y = normed W + b, as written: passes over (N, D) for gain and shift, forwards and backwards.
Folded    y = x̂ W′ + b′ with W′ = diag(gain) W and b′ = shift W + b. The passes move from the N rows of the batch to
          the D rows of the weight, once a step. W′ is then centred over its inputs, which changes nothing in y
          (x̂ sums to zero) and makes the input's gradient g = dy W′ᵀ sum to zero, so that the normalisation's
          backward needs no mean of g.

          From dW′ and db′, which are what the batch gives:
              dW = diag(gain) dW′ + shift db′ᵀ     db = db′
              dgain_i = Σ_o W_io dW′_io            dshift = W db′

In both forms the bias is the weight's last row and the rows end in a 1, so that one product adds the bias forwards
and sums its gradient backwards. Folding pays while the batch has more rows than the weight by a few times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from tinygpt.engines.vectorized.arena import Allocate, Arena
from tinygpt.engines.vectorized.kernels import TILE

Array = np.ndarray


@dataclass(frozen=True)
class NormNames:
    """Where a pair's parameters are.

    Attributes:
        norm: the norm, such as ``h.0.ln_1``.
        projection: the projection, such as ``h.0.attn.c_attn``.
        scaled: outputs, from the first on, that are multiplied by ``scale``: the queries of the attention.
        scale: 1/√C for the queries.
    """

    norm: str
    projection: str
    scaled: int = 0
    scale: float = 1.0


class NormProjection(ABC):
    """The pair y = norm(x) W + b, without the part that depends on x alone.

    Args:
        names: where the parameters are.
        arena: holds them.
    """

    def __init__(self, names: NormNames, arena: Arena) -> None:
        p = arena.parameters
        self.names = names
        self.gain, self.shift = p[f"{names.norm}.weight"], p[f"{names.norm}.bias"]
        self.weight, self.bias = p[f"{names.projection}.weight"], p[f"{names.projection}.bias"]
        self.joined = arena.joined(arena.flat_parameters, names.projection)  # (D + 1, O)
        self.arena = arena

    @abstractmethod
    def forward(self, hat: Array, normed: Array, out: Array) -> None:
        """out (N, O) ← the pair's output.

        Args:
            hat: x̂ and a column of ones, (N, D + 1).
            normed: room for the norm's output and a column of ones, (N, D + 1); may be left unused.
            out: written.
        """

    @abstractmethod
    def backward(self, dy: Array, hat: Array, normed: Array, gradient: int, out: Array, mean_vector: Array) -> None:
        """out (N, D) ← g = ∂loss/∂x̂ less its mean over each row; the gradients of the parameters are written.

        Args:
            dy: ∂loss/∂y, (N, O); may be overwritten.
            hat: as in the forward.
            normed: as in the forward, to be overwritten.
            gradient: which of the arena's gradients to write to.
            out: written.
            mean_vector: (D, 1) of 1/D.
        """

    @abstractmethod
    def refresh(self) -> None:
        """Follow the parameters after they changed."""

    @abstractmethod
    def finish(self) -> None:
        """Turn what the batch left in the arena's first gradient into the gradients of the parameters."""


class PlainProjection(NormProjection):
    """Gain and shift are applied to the rows."""

    def _affine(self, hat: Array, normed: Array) -> None:
        rows = normed[:, :-1]
        np.multiply(hat[:, :-1], self.gain, out=rows)
        rows += self.shift

    def forward(self, hat: Array, normed: Array, out: Array) -> None:
        self._affine(hat, normed)
        np.matmul(normed, self.joined, out=out)
        if self.names.scaled:
            out[:, : self.names.scaled] *= np.float32(self.names.scale)

    def backward(self, dy: Array, hat: Array, normed: Array, gradient: int, out: Array, mean_vector: Array) -> None:
        grads = self.arena.gradients[gradient]
        if self.names.scaled:
            dy[:, : self.names.scaled] *= np.float32(self.names.scale)
        self._affine(hat, normed)
        np.matmul(normed.T, dy, out=self.arena.joined(self.arena.flat_gradients[gradient], self.names.projection))
        np.matmul(dy, self.weight.T, out=out)
        norm_gradients(out, hat, grads[f"{self.names.norm}.weight"], grads[f"{self.names.norm}.bias"])
        out *= self.gain
        out -= np.matmul(out, mean_vector)

    def refresh(self) -> None:
        """Nothing follows: the parameters themselves are read."""

    def finish(self) -> None:
        """Nothing is left to do."""


class FoldedProjection(NormProjection):
    """Gain and shift live in the weight.

    Args:
        names: where the parameters are.
        arena: holds them.
        allocate: makes room for the folded weight.
    """

    def __init__(self, names: NormNames, arena: Arena, allocate: Allocate) -> None:
        super().__init__(names, arena)
        self.folded = allocate(self.joined.size).reshape(self.joined.shape)  # (D + 1, O)
        self._mean_row = np.full((1, len(self.weight)), 1.0 / len(self.weight), np.float32)

    def refresh(self) -> None:
        weight = self.folded[:-1]
        np.multiply(self.weight, self.gain[:, None], out=weight)
        np.matmul(self.shift, self.weight, out=self.folded[-1])
        self.folded[-1] += self.bias
        if self.names.scaled:
            self.folded[:, : self.names.scaled] *= np.float32(self.names.scale)
        weight -= np.matmul(self._mean_row, weight)

    def forward(self, hat: Array, normed: Array, out: Array) -> None:  # noqa: ARG002 (one signature for both forms)
        np.matmul(hat, self.folded, out=out)

    def backward(self, dy: Array, hat: Array, normed: Array, gradient: int, out: Array, mean_vector: Array) -> None:  # noqa: ARG002
        """As :meth:`NormProjection.backward`; the projection's place holds dW′ and db′ until :meth:`finish`."""
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
            part += self.shift[start : start + rows, None] * dbias


def norm_gradients(dy: Array, hat: Array, dgain: Array, dshift: Array) -> None:
    """dgain ← Σ_n dy · x̂, dshift ← Σ_n dy; dy (N, D), hat (N, D + 1)."""
    np.einsum("nd,nd->d", dy, hat[:, :-1], out=dgain)
    np.matmul(np.ones((1, len(dy)), np.float32), dy, out=dshift[None])
