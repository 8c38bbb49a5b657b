"""A model's weights for inference in one or two bytes each: the codes as they are stored, with vectors beside them.

A token takes the time in which the weights arrive from memory, so fewer bytes are more tokens. A core decodes a number
and multiplies it in less time than the number takes to arrive.

Folding (``folding.py``) would change the numbers that were rounded. So the matrices stay as they are, and all that can
be moved is in three vectors of each matrix:

    y = ((x ⊙ factors) Q) ⊙ scales + biases

    factors    of inputs: the scales of rounding, the gain of the LayerNorm before, ½/α before the output of the MLP
    scales     of outputs: 1/√C of the queries, α before GELU, the scales of rounding of the token table
    biases     the bias, with the LayerNorm's bias times the matrix

The residual stream is not centred, as its writers are not: a normalisation subtracts the mean. The token table is the
head as well, and is there once. Matrices are output-first: a product with one row reads them as one stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinygpt.generation.inference.folding import GELU_UNIT, LanguageModel, readable_weights
from tinygpt.rounding import Rounding, rounding_of

_TILE = 1 << 16  # numbers that are decoded at once: a quarter of a megabyte, which a core's own cache holds


@dataclass(frozen=True)
class CodedMatrix:
    """A matrix: views into the arenas of codes and of vectors."""

    codes: np.ndarray  # (outputs, inputs)
    factors: np.ndarray  # (inputs,)
    scales: np.ndarray  # (outputs,)
    biases: np.ndarray  # (outputs,)


@dataclass(frozen=True)
class CodedWeights:
    """A snapshot of a model's weights in fewer bytes.

    Attributes:
        rounding: decodes them.
        arena: all codes, flat, in the order of use; those of float16 as their bits, which compiled code decodes itself.
        starts: where each matrix begins in the arena, and its factors in the vectors: (4 L + 1, 2).
        vectors: factors, scales and biases of each matrix, flat, in the order of use.
        matrices: four of each block, qkv, projection, up and down, and the head.
        positions: position embeddings, float32 (T, D).
    """

    rounding: Rounding
    arena: np.ndarray
    starts: np.ndarray
    vectors: np.ndarray
    matrices: tuple[CodedMatrix, ...]
    positions: np.ndarray
    streamed = True

    @property
    def tokens(self) -> np.ndarray:
        """Codes of the token embeddings (V, D), as in the arena; they are the head's."""
        head = self.matrices[-1].codes
        return self.arena[-head.size :].reshape(head.shape)

    @property
    def token_scales(self) -> np.ndarray:
        """The scale of each token's embedding (V,)."""
        return self.matrices[-1].scales

    def embed(self, tokens: np.ndarray, places: np.ndarray | slice) -> np.ndarray:
        """Return the residual stream of tokens at places, (n, D)."""
        rows = self.rounding.decoded(self.matrices[-1].codes[tokens]) * self.token_scales[tokens][:, None]
        return np.asarray(rows + self.positions[places])

    def normed(self, x: np.ndarray, eps: np.float32) -> np.ndarray:
        """(x − mean) / √(var + ε) per column of (D, n); the gains are in the factors."""
        centred = x - x.mean(axis=0)
        return np.asarray(centred / np.sqrt((centred * centred).mean(axis=0) + eps))

    def times(self, number: int, x: np.ndarray) -> np.ndarray:
        """Multiply columns (inputs, n) by a matrix, decoded tile by tile: (outputs, n)."""
        matrix = self.matrices[number]
        outputs, inputs = matrix.codes.shape
        y = np.empty((outputs, x.shape[1]), np.float32)
        scaled, rows = x * matrix.factors[:, None], max(1, _TILE // inputs)
        for start in range(0, outputs, rows):
            np.matmul(self.rounding.decoded(matrix.codes[start : start + rows]), scaled, out=y[start : start + rows])
        y *= matrix.scales[:, None]
        y += matrix.biases[:, None]
        return y


def encode(source: LanguageModel, precision: str) -> CodedWeights:
    """Round a model's weights into new memory; the source's arrays do not change.

    Raises:
        ConfigError: the precision is unknown.
    """
    model, rounding = source.config, rounding_of(precision)
    d, f, v = model.d_model, model.d_hidden, model.vocab_size
    shapes = [(3 * d, d), (d, d), (f, d), (d, f)] * model.n_layers + [(v, d)]  # (outputs, inputs)
    arena = np.empty(sum(m * n for m, n in shapes), rounding.dtype)
    vectors = np.ones(sum(n + 2 * m for m, n in shapes), np.float32)
    matrices, starts = [], [(0, 0)]
    for m, n in shapes:
        start, place = starts[-1]
        codes = arena[start : start + m * n].reshape(m, n)
        parts = np.split(vectors[place : place + n + 2 * m], (n, n + m))
        matrices.append(CodedMatrix(codes, *parts))
        starts.append((start + m * n, place + n + 2 * m))

    # Each array is removed when it is read, so that arrays which only this dictionary has are freed one by one.
    w = readable_weights(source)
    for layer in range(model.n_layers):
        h, (qkv, projection, up, down) = f"h.{layer}", matrices[4 * layer : 4 * layer + 4]
        for matrix, name, norm in (
            (qkv, f"{h}.attn.c_attn", f"{h}.ln_1"),
            (projection, f"{h}.attn.c_proj", ""),
            (up, f"{h}.mlp.c_fc", f"{h}.ln_2"),
            (down, f"{h}.mlp.c_proj", ""),
        ):
            codes, scale = rounding.codes(w.pop(f"{name}.weight"))
            matrix.codes[...] = codes.T
            matrix.factors[...] = 1.0 if scale is None else scale
            matrix.biases[...] = w.pop(f"{name}.bias")
            if norm:
                matrix.biases[...] += (w.pop(f"{norm}.bias") * matrix.factors) @ rounding.decoded(codes)
                matrix.factors[...] *= w.pop(f"{norm}.weight")
        qkv.scales[:d] = 1.0 / math.sqrt(model.head_dim)
        up.scales[...] = GELU_UNIT
        for scaled in (qkv, up):
            scaled.biases[...] *= scaled.scales
        down.factors[...] *= np.float32(0.5 / GELU_UNIT)
    head = matrices[-1]
    codes, scale = rounding.codes(w["wte.weight"])
    head.codes[...] = codes
    head.scales[...] = 1.0 if scale is None else scale
    head.factors[...] = w["ln_f.weight"]
    head.biases[...] = (rounding.decoded(codes) @ w["ln_f.bias"]) * head.scales
    codes, scale = rounding.codes(w["wpe.weight"])
    positions = rounding.decoded(codes) * (1.0 if scale is None else scale[:, None])
    bits = arena.view(np.int16) if arena.dtype == np.float16 else arena
    return CodedWeights(
        rounding, bits, np.array(starts[:-1]), vectors, tuple(matrices), np.asarray(positions, np.float32)
    )
