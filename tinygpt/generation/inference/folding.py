"""A model's weights folded for inference: the same function with fewer operations, in one block of memory.

Four identities, each exact in real arithmetic, shorten a block (``docs/fast/generation.md`` derives them):

1. A LayerNorm's gain and bias move into the matrix that reads its output: (x̂ ⊙ g + b_ln) W + b =
   x̂ (g ⊙ W) + (b_ln W + b).
2. Every reader of the residual stream first subtracts the mean over D. Subtracting it instead from everything that is
   *written* (embeddings, the two output projections, their biases) keeps the stream centred, so that a normalisation
   is just x / √(mean(x²) + ε).
3. 1/√C moves into the columns of the queries.
4. With α³ = 0.044715 √(2/π) and ξ = α x, GELU's argument √(2/π) (x + 0.044715 x³) is ξ (ξ² + √(2/π)/α): α moves into
   the matrix before, ½/α into the one after, and ξ (1 + tanh(ξ (ξ² + const))) remains.

A bias is one more row of its matrix, multiplied by a constant 1 at the end of the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.layers import GELU_CUBIC, GELU_SCALE
from tinygpt.params import Arrays

GELU_UNIT = (GELU_CUBIC * GELU_SCALE) ** (1.0 / 3.0)  # α
GELU_LINEAR = np.float32(GELU_SCALE / GELU_UNIT)  # √(2/π) / α

# Weights of more bytes do not fit in a core's own cache, so every token streams them from outer memory.
STREAMED_BYTES = 16 << 20


class LanguageModel(Protocol):
    """Anything with a shape and weights: an engine or a loaded checkpoint."""

    @property
    def config(self) -> ModelConfig:
        """The model's shape."""

    def state_dict(self) -> Arrays:
        """Return the weights: name → array of the shape in ``parameter_shapes``."""


@dataclass(frozen=True)
class FoldedWeights:
    """A snapshot of a model's weights, folded.

    Attributes:
        streamed: matrices are output-first in memory, so that a product with one row reads them as one stream, a dot
            product per output; else input-first. The views' shapes are the same.
        arena: all matrices, flat, in the order of use.
        starts: where each begins in the arena, (4 L + 1, 2); the second number is for weights in fewer bytes.
        tokens: centred token embeddings (V, D).
        positions: centred position embeddings (T, D).
        token_scales: ones (V,).
        matrices: four of each block and the head, each with its bias as the last row: views of shape (inputs + 1,
            outputs). Of a block, qkv (D + 1, 3 D), projection (D + 1, D), up (D + 1, F) and down (F + 1, D).
    """

    streamed: bool
    arena: np.ndarray
    starts: np.ndarray
    tokens: np.ndarray
    positions: np.ndarray
    token_scales: np.ndarray
    matrices: tuple[np.ndarray, ...]
    vectors = None

    def embed(self, tokens: np.ndarray, places: np.ndarray | slice) -> np.ndarray:
        """Return the residual stream of tokens at places, (n, D)."""
        return np.asarray(self.tokens[tokens] + self.positions[places])

    def normed(self, x: np.ndarray, eps: np.float32) -> np.ndarray:
        """x / √(mean(x²) + ε) per column of centred x (D, n)."""
        squares = np.add.reduce(x * x, axis=0)  # (n,)
        scale = 1.0 / np.sqrt(squares / np.float32(len(x)) + eps)
        return np.asarray(x * scale)

    def times(self, number: int, x: np.ndarray) -> np.ndarray:
        """Multiply columns (inputs, n) by a matrix: (outputs, n). A row of ones multiplies the biases."""
        with_ones = np.ones((len(x) + 1, x.shape[1]), np.float32)
        with_ones[:-1] = x
        return np.asarray(self.matrices[number].T @ with_ones)


def readable_weights(source: LanguageModel) -> Arrays:
    """Return a model's weights as float32 to read only, an adapter folded in; without a copy where it gives its own."""
    weights = getattr(source, "current_weights", source.state_dict)()
    return {name: np.asarray(array, np.float32) for name, array in weights.items()}


def fold(source: LanguageModel) -> FoldedWeights:
    """Fold a model's weights into new memory; the source's arrays do not change."""
    model = source.config
    d, f, v = model.d_model, model.d_hidden, model.vocab_size
    shapes = [(d + 1, 3 * d), (d + 1, d), (d + 1, f), (f + 1, d)] * model.n_layers + [(d + 1, v)]
    size = sum(rows * columns for rows, columns in shapes)
    # One allocation in the order of use: NumPy requests large pages above 4 MiB, which saves thousands of address
    # translations per token.
    arena, start = np.empty(size, np.float32), 0
    streamed = 4 * size > STREAMED_BYTES
    matrices, starts = [], []
    for rows, columns in shapes:
        part = arena[start : start + rows * columns]
        matrices.append(part.reshape(columns, rows).T if streamed else part.reshape(rows, columns))
        starts.append((start, 0))
        start += rows * columns

    # Folding removes each array from this dictionary, so that arrays which only it has are freed one by one and a large
    # model is not in memory twice.
    w = readable_weights(source)
    query_scale = np.ones(3 * d, np.float32)
    query_scale[:d] = 1.0 / math.sqrt(model.head_dim)
    for layer in range(model.n_layers):
        h, (qkv, projection, up, down) = f"h.{layer}", matrices[4 * layer : 4 * layer + 4]
        _fold_reader(qkv, w, f"{h}.ln_1", f"{h}.attn.c_attn")
        qkv[...] *= query_scale
        _fold_writer(projection, w, f"{h}.attn.c_proj", 1.0)
        _fold_reader(up, w, f"{h}.ln_2", f"{h}.mlp.c_fc")
        up[...] *= np.float32(GELU_UNIT)
        _fold_writer(down, w, f"{h}.mlp.c_proj", 0.5 / GELU_UNIT)
    head = matrices[-1]
    np.multiply(w["ln_f.weight"][:, None], w["wte.weight"].T, out=head[:-1])
    head[-1] = w["wte.weight"] @ w["ln_f.bias"]
    tables = _centred(w["wte.weight"]), _centred(w["wpe.weight"]), np.ones(v, np.float32)
    return FoldedWeights(streamed, arena, np.array(starts), *tables, tuple(matrices))


def _centred(x: np.ndarray) -> np.ndarray:
    """Subtract the mean over the last axis."""
    centred: np.ndarray = x - x.mean(axis=-1, keepdims=True)
    return centred


def _fold_reader(out: np.ndarray, w: Arrays, norm: str, linear: str) -> None:
    """Fold a matrix that reads a LayerNorm's output: identity 1."""
    weight = w.pop(f"{linear}.weight")
    np.multiply(w.pop(f"{norm}.weight")[:, None], weight, out=out[:-1])
    out[-1] = w.pop(f"{norm}.bias") @ weight + w.pop(f"{linear}.bias")


def _fold_writer(out: np.ndarray, w: Arrays, linear: str, scale: float) -> None:
    """Fold a matrix that writes into the residual stream: identity 2, and a scale of its inputs."""
    out[:-1] = _centred(w.pop(f"{linear}.weight"))
    out[:-1] *= np.float32(scale)
    out[-1] = _centred(w.pop(f"{linear}.bias"))
