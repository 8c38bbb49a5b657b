"""The products of one token alone: a row times every matrix of a model, in their order, on one thread.

A token takes the time in which its weights arrive from memory, so this shows which way to store and to multiply them is
worth having. The matrices are those that generation makes from a model (``folding``, and ``coding`` for fewer bytes).
Each way is a row of ``bench.arms.token_ways``. After the timed passes, every result is compared with that of a product
of two matrices over the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.arms.token_ways import COMPILED, NUMKONG, TILES, TokenWay
from bench.measuring.generation import Weights
from tinygpt.config import ModelConfig
from tinygpt.generation.inference.coding import CodedMatrix, CodedWeights, encode
from tinygpt.generation.inference.folding import FoldedWeights, fold
from tinygpt.params import initial_parameters
from tinygpt.rounding import FLOAT32, INT8

Array = np.ndarray
Call = Callable[[], Array]  # one product, (outputs,)
_ONE = np.float32(1.0)


class TokenPass:
    """One pass over the products of a token.

    Args:
        model: its shape.
        way: in which its weights are stored and multiplied.
        seed: of the starting weights.

    Raises:
        ImportError: the way's package is not installed.
    """

    def __init__(self, model: ModelConfig, way: TokenWay, seed: int = 0) -> None:
        source = Weights(model, initial_parameters(model, seed))
        self.weights = fold(source) if way.precision == FLOAT32 else encode(source, way.precision)
        d, f = model.d_model, model.d_hidden
        draw = np.random.default_rng(0).standard_normal
        self.rows = [draw(width, np.float32) for width in (d, d, d, f) * model.n_layers + (d,)]
        self._calls = _MAKERS[way.product](self.weights, self.rows)

    def run(self) -> None:
        """Make one pass."""
        for call in self._calls:
            call()

    def largest_error(self) -> float:
        """Return the largest distance of a result from the right one, relative to its matrix's largest result."""
        errors = []
        for number, (call, row) in enumerate(zip(self._calls, self.rows, strict=True)):
            expected = self.weights.times(number, row[:, None])[:, 0]
            errors.append(float(np.abs(call() - expected).max() / np.abs(expected).max()))
        return max(errors)


def _numpy(weights: FoldedWeights, rows: Sequence[Array]) -> list[Call]:
    """The calls of ``OneRow``: a dot product per output, or the rows of a small matrix."""
    product = np.vecdot if weights.streamed else np.dot
    return [
        partial(product, np.append(row, _ONE), matrix.T if weights.streamed else matrix, _empty(matrix.shape[1]))
        for matrix, row in zip(weights.matrices, rows, strict=True)
    ]


def _compiled(weights: FoldedWeights | CodedWeights, rows: Sequence[Array]) -> list[Call]:
    # An extra, which the other ways must not load.
    from tinygpt.generation.compiled.products import times_codes, times_inputs, times_outputs

    if isinstance(weights, CodedWeights):
        return [partial(_codes, times_codes, *pair) for pair in _with_room(weights, rows)]
    times = times_outputs if weights.streamed else times_inputs
    return [
        partial(_whole, times, row[None], matrix.T if weights.streamed else matrix, _empty(1, matrix.shape[1]))
        for matrix, row in zip(weights.matrices, rows, strict=True)
    ]


def _whole(times: Callable[..., None], row: Array, matrix: Array, y: Array) -> Array:
    times(row, matrix, y)
    return y[0]


def _codes(times: Callable[..., None], matrix: CodedMatrix, row: Array, scaled: Array, y: Array) -> Array:
    np.multiply(row, matrix.factors, scaled[0])
    codes = matrix.codes.view(np.int16) if matrix.codes.dtype == np.float16 else matrix.codes  # as the loop has them
    times(scaled, codes, matrix.scales, matrix.biases, y)
    return y[0]


def _with_room(weights: CodedWeights, rows: Sequence[Array]) -> list[tuple[CodedMatrix, Array, Array, Array]]:
    """Each matrix with its row, and room for the scaled row and the results."""
    pairs = zip(weights.matrices, rows, strict=True)
    return [(matrix, row, _empty(1, len(row)), _empty(1, len(matrix.codes))) for matrix, row in pairs]


def _tiles(weights: CodedWeights, rows: Sequence[Array]) -> list[Call]:
    """The calls for prompts, with a prompt of one token."""

    def call(number: int, column: Array) -> Array:
        return weights.times(number, column)[:, 0]

    return [partial(call, number, row[:, None]) for number, row in enumerate(rows)]


def _numkong(weights: CodedWeights, rows: Sequence[Array]) -> list[Call]:
    import numkong

    def whole_numbers(matrix: CodedMatrix, packed: Any, row: Array) -> Array:
        scaled = row * matrix.factors
        step = np.abs(scaled).max() / np.float32(127.0)
        codes = np.rint(scaled / step).astype(np.int8)
        return np.asarray(numkong.dots_packed(codes[None], packed))[0] * (step * matrix.scales) + matrix.biases

    def halves(matrix: CodedMatrix, packed: Any, row: Array) -> Array:
        scaled = (row * matrix.factors).astype(np.float16)
        return np.asarray(numkong.dots_packed(scaled[None], packed))[0] * matrix.scales + matrix.biases

    call = whole_numbers if weights.rounding.name == INT8 else halves
    return [
        partial(call, matrix, numkong.dots_pack(matrix.codes), row)
        for matrix, row in zip(weights.matrices, rows, strict=True)
    ]


def _empty(*shape: int) -> Array:
    return np.empty(shape, np.float32)


# The products of a way → its calls, one for each matrix.
_MAKERS: MappingProxyType[str, Callable[..., list[Call]]] = MappingProxyType(
    {"": _numpy, COMPILED: _compiled, TILES: _tiles, NUMKONG: _numkong}
)
