"""The loops between the products, forward and backward side by side; equations in ``tinygpt/layers.py``.

Each reads and writes its arrays once. N rows of D numbers lie one after another; sums over rows are added to vectors
that stay in the first-level cache.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.engines.loops.compiling import distinct, loop, sums
from tinygpt.engines.loops.exponential import exponential
from tinygpt.layers import GELU_CUBIC, GELU_SCALE

Array = np.ndarray

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)

# ---- embeddings ----------------------------------------------------------------------------------------


@loop
def embed(tokens: Array, table: Array, places: Array, x: Array) -> None:
    """x (N, D) ← table[tokens] + places; tokens (B, T), places (at least T, D)."""
    distinct()
    length, width = tokens.shape[1], x.shape[1]
    for i in range(len(x)):
        place = i % length
        token = tokens[i // length, place]
        for j in range(width):
            x[i, j] = table[token, j] + places[place, j]


@loop
def embed_backward(tokens: Array, dx: Array, dtable: Array, dplaces: Array) -> None:
    """Add dx (N, D) to the rows of the tokens and of the places; a frozen table has no rows."""
    distinct()
    length, width = tokens.shape[1], dx.shape[1]
    for i in range(len(dx)):
        place = i % length
        token = tokens[i // length, place]
        if len(dtable) > 0:
            for j in range(width):
                dtable[token, j] += dx[i, j]
        if len(dplaces) > 0:
            for j in range(width):
                dplaces[place, j] += dx[i, j]


# ---- layer normalisation -------------------------------------------------------------------------------


@sums
def moments(row: Array, eps: np.float32) -> tuple[np.float32, np.float32]:
    """Return a row's mean, and 1/σ."""
    share = np.float32(1.0 / len(row))
    total = _ZERO
    for j in range(len(row)):
        total += row[j]
    mean = total * share
    squares = _ZERO
    for j in range(len(row)):
        squares += (row[j] - mean) * (row[j] - mean)
    return mean, _ONE / math.sqrt(squares * share + eps)


@sums
def dot(a: Array, b: Array) -> np.float32:
    """Return Σ a b over the length of a."""
    total = _ZERO
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@sums
def normalize(
    x: Array, gain: Array, bias: Array, eps: np.float32, hat: Array, r: Array, normed: Array, following: Array
) -> None:
    """Normalise the rows of x (N, D): hat ← x̂, r (N) ← 1/σ, normed ← x̂ gain + bias.

    Then x ← x + following, the bias of the branch that will be added to x.
    """
    distinct()
    rows, width = x.shape
    for i in range(rows):
        mean, scale = moments(x[i], eps)
        r[i] = scale
        for j in range(width):
            value = (x[i, j] - mean) * scale
            hat[i, j] = value
            normed[i, j] = value * gain[j] + bias[j]
            x[i, j] += following[j]


@loop
def apply_gain(hat: Array, gain: Array, bias: Array, normed: Array) -> None:
    """normed ← x̂ gain + bias, again for the backward."""
    distinct()
    rows, width = hat.shape
    for i in range(rows):
        for j in range(width):
            normed[i, j] = hat[i, j] * gain[j] + bias[j]


@sums
def normalize_backward(
    dy: Array, hat: Array, r: Array, gain: Array, dx: Array, dgain: Array, dbias: Array, dfollowing: Array
) -> None:
    """dx ← dx + ∂loss/∂x for dy = ∂loss/∂normed, all (N, D).

    With g = dy · gain: dx += r (g − mean(g) − x̂ · mean(g x̂)). Add the sums over rows of dy x̂, dy, and the new dx to
    dgain, dbias and dfollowing.
    """
    distinct()
    rows, width = dy.shape
    share = np.float32(1.0 / width)
    for i in range(rows):
        total, projected = _ZERO, _ZERO
        for j in range(width):
            g = dy[i, j] * gain[j]
            total += g
            projected += g * hat[i, j]
        mean, projected, scale = total * share, projected * share, r[i]
        for j in range(width):
            g, h = dy[i, j], hat[i, j]
            dgain[j] += g * h
            dbias[j] += g
            value = dx[i, j] + scale * (g * gain[j] - mean - h * projected)
            dx[i, j] = value
            dfollowing[j] += value


# ---- GELU ----------------------------------------------------------------------------------------------
# With a = κ (x + 0.044715 x³): Φ = ½ (1 + tanh a) = 1 / (1 + e^(−2a)), y = x Φ,
# dy/dx = Φ + y (1 − Φ) (2κ + 6 · 0.044715 κ x²).

_MINUS_2K, _MINUS_2C = np.float32(-2.0 * GELU_SCALE), np.float32(-2.0 * GELU_SCALE * GELU_CUBIC)
_SLOPE_K, _SLOPE_C = np.float32(2.0 * GELU_SCALE), np.float32(6.0 * GELU_SCALE * GELU_CUBIC)


@loop
def gelu(x: Array, y: Array) -> None:
    """y ← GELU(x), x ← its derivative; flat."""
    distinct()
    for i in range(len(x)):
        value = x[i]
        square = value * value
        phi = _ONE / (_ONE + exponential(value * (_MINUS_2K + _MINUS_2C * square)))
        result = value * phi
        y[i] = result
        x[i] = phi + result * (_ONE - phi) * (_SLOPE_K + _SLOPE_C * square)


@loop
def gelu_alone(x: Array, y: Array) -> None:
    """y ← GELU(x), x stays; flat."""
    distinct()
    for i in range(len(x)):
        value = x[i]
        square = value * value
        phi = _ONE / (_ONE + exponential(value * (_MINUS_2K + _MINUS_2C * square)))
        y[i] = value * phi


@loop
def gelu_backward(dy: Array, derivative: Array, dbias: Array) -> None:
    """dy ← dy · derivative, (N, F); add its sum over rows to dbias."""
    distinct()
    rows, width = dy.shape
    for i in range(rows):
        for j in range(width):
            value = dy[i, j] * derivative[i, j]
            dy[i, j] = value
            dbias[j] += value


# ---- biases and masks ----------------------------------------------------------------------------------


@loop
def add_rows(dy: Array, dbias: Array) -> None:
    """Add the sum over rows of dy (N, O) to dbias."""
    distinct()
    rows, width = dy.shape
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        for j in range(width):
            dbias[j] += (dy[i, j] + dy[i + 1, j]) + (dy[i + 2, j] + dy[i + 3, j])
    for i in range(whole, rows):
        for j in range(width):
            dbias[j] += dy[i, j]


@loop
def mask_rows(x: Array, mask: Array, out: Array) -> None:
    """out ← x · mask, all (N, D)."""
    rows, width = x.shape
    for i in range(rows):
        for j in range(width):
            out[i, j] = x[i, j] * mask[i, j]


@loop
def add_masked(x: Array, branch: Array, bias: Array, mask: Array) -> None:
    """x ← x + (branch + bias) · mask."""
    distinct()
    rows, width = x.shape
    for i in range(rows):
        for j in range(width):
            x[i, j] += (branch[i, j] + bias[j]) * mask[i, j]


# ---- softmax -------------------------------------------------------------------------------------------
# Exponentials are taken without the row's maximum. Their sum shows whether that was exact: between e⁻⁵⁰ and e⁵⁰ no term
# that matters was lost. Else the row is computed again from its scores, with the maximum subtracted.

_LEAST_TOTAL, _LARGEST_TOTAL = np.float32(math.exp(-50.0)), np.float32(math.exp(50.0))


@sums
def exponentials(scores: Array, scale: np.float32, shift: np.float32, weights: Array) -> np.float32:
    """weights ← e^((scores − shift) · scale); return their sum."""
    distinct()
    total = _ZERO
    for j in range(len(scores)):
        value = exponential((scores[j] - shift) * scale)
        weights[j] = value
        total += value
    return total


@loop
def safe_exponentials(scores: Array, scale: np.float32, weights: Array) -> tuple[np.float32, np.float32]:
    """weights ← e^((scores − shift) · scale); return their sum and the shift, which is 0 or the largest score."""
    shift = _ZERO
    total = exponentials(scores, scale, shift, weights)
    if not _LEAST_TOTAL < total < _LARGEST_TOTAL:  # also if it is NaN
        shift = scores[0]
        for j in range(1, len(scores)):
            shift = max(shift, scores[j])
        total = exponentials(scores, scale, shift, weights)
    return total, shift


@loop
def times(row: Array, factor: np.float32) -> None:
    """row ← row · factor."""
    for j in range(len(row)):
        row[j] *= factor


@sums
def cross_entropy(logits: Array, targets: Array, share: np.float32, row: Array, losses: Array) -> float:
    """Write the losses (N) of logits (N, V), return their sum; logits ← (softmax − onehot) · share. row: V numbers."""
    loss = 0.0
    for i in range(len(logits)):
        z = logits[i]
        total, shift = safe_exponentials(z, _ONE, row)
        target = targets[i]
        losses[i] = math.log(np.float64(total)) - (np.float64(z[target]) - np.float64(shift))
        loss += losses[i]
        _scaled(row, share / total, z)
        z[target] -= share
    return loss


@loop
def _scaled(row: Array, factor: np.float32, out: Array) -> None:
    distinct()
    for j in range(len(row)):
        out[j] = row[j] * factor


@loop
def causal_softmax(scores: Array, start: int, scale: np.float32, weights: Array) -> None:
    """weights ← softmax(scores · scale) over the keys up to each query, 0 after it; the first query is ``start``."""
    rows, width = scores.shape
    for i in range(rows):
        visible = start + i + 1
        total, _ = safe_exponentials(scores[i, :visible], scale, weights[i, :visible])
        times(weights[i, :visible], _ONE / total)
        for j in range(visible, width):
            weights[i, j] = _ZERO


@sums
def causal_softmax_backward(weights: Array, dweights: Array, start: int, scale: np.float32) -> None:
    """dweights ← ∂loss/∂scores = weights (dweights − Σ weights dweights) scale, 0 after each query."""
    distinct()
    rows, width = weights.shape
    for i in range(rows):
        visible = start + i + 1
        total = _ZERO
        for j in range(visible):
            total += weights[i, j] * dweights[i, j]
        for j in range(visible):
            dweights[i, j] = weights[i, j] * (dweights[i, j] - total) * scale
        for j in range(visible, width):
            dweights[i, j] = _ZERO
