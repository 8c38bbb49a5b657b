"""The forward and backward pass of some rows in compiled code.

Where a product's result is added to something (a bias, the residual stream, an earlier gradient), the product starts
from it.
"""

from __future__ import annotations

import numpy as np

from tinygpt.engines.compiled.attention import attend, attend_backward
from tinygpt.engines.compiled.products import multiply, multiply_by_transposed, multiply_transposed
from tinygpt.engines.compiled.waiting import Turns, begin_turn, end_turn, wait_for_all
from tinygpt.engines.compiled.workspace import (
    LN_1,
    LN_1_BIAS,
    LN_2,
    LN_2_BIAS,
    LN_F,
    LN_F_BIAS,
    MIX,
    MIX_BIAS,
    NARROW,
    NARROW_BIAS,
    PLACES,
    QKV,
    QKV_BIAS,
    TABLE,
    WIDEN,
    WIDEN_BIAS,
    Workspace,
)
from tinygpt.engines.loops.compiling import loop
from tinygpt.engines.loops.layers import (
    add_masked,
    add_rows,
    apply_gain,
    embed,
    embed_backward,
    gelu,
    gelu_alone,
    gelu_backward,
    mask_rows,
    normalize,
    normalize_backward,
    times,
)

Array = np.ndarray

_ZERO = np.float32(0.0)


@loop
def vector(flat: Array, start: int, size: int) -> Array:
    """Return ``size`` numbers of a flat array."""
    return flat[start : start + size]


@loop
def matrix(flat: Array, start: int, rows: int, columns: int) -> Array:
    """Return a matrix in a flat array."""
    return flat[start : start + rows * columns].reshape(rows, columns)


# ---- linear layers: ``place`` is a weight's column of ``Workspace.offsets`` ----------------------------------


@loop
def linear(s: Workspace, w: Array, layer: int, place: int, x: Array, start: Array, out: Array) -> None:
    """out (N, O) ← start + x W for x (N, I), and an adapter's addition."""
    multiply(x, matrix(w, s.offsets[layer, place], x.shape[1], out.shape[1]), start, out, s.room)
    at = s.adapters[layer, place]
    if at[2] >= 0:
        low = s.low[at[2]]
        multiply(x, matrix(w, at[0], x.shape[1], low.shape[1]), s.nothing, low, s.room)
        times(low.reshape(low.size), s.scale)
        multiply(low, matrix(w, at[1], low.shape[1], out.shape[1]), out, out, s.room)


@loop
def reads_input(s: Workspace, layer: int, place: int) -> bool:
    """Return whether a linear layer's backward reads its input: the weight is trained, or has an adapter."""
    return s.trained[layer, place] >= 0 or s.adapters[layer, place, 2] >= 0


@loop
def linear_backward(
    s: Workspace, w: Array, g: Array, layer: int, place: int, x: Array, dy: Array, dx: Array, adds: bool, turns: Turns
) -> None:
    """dx (N, I) ← ∂loss/∂x for dy (N, O); write or add the gradients of the weight, or of its adapter."""
    rows, columns = dx.shape[1], dy.shape[1]
    if s.trained[layer, place] >= 0:
        add_weight(s, x, dy, matrix(g, s.trained[layer, place], rows, columns), adds, turns)
    multiply_by_transposed(dy, matrix(w, s.offsets[layer, place], rows, columns), s.nothing, dx, s.room)
    at = s.adapters[layer, place]
    if at[2] >= 0:
        low = s.low[at[2]]
        rank = low.shape[1]
        add_weight(s, low, dy, matrix(g, at[1], rank, columns), adds, turns)
        multiply_by_transposed(dy, matrix(w, at[1], rank, columns), s.nothing, low, s.room)
        times(low.reshape(low.size), s.scale)
        add_weight(s, x, low, matrix(g, at[0], rows, rank), adds, turns)
        multiply_by_transposed(low, matrix(w, at[0], rows, rank), dx, dx, s.room)


@loop
def add_weight(s: Workspace, x: Array, dy: Array, dweight: Array, adds: bool, turns: Turns) -> None:
    """dweight (I, O) ← xᵀ dy, for x (N, I) and dy (N, O), and what is there before if it ``adds``; it takes a turn."""
    begin_turn(turns)
    multiply_transposed(x, dy, dweight if adds else s.nothing, dweight, s.room)
    end_turn(turns)


@loop
def add_bias(g: Array, at: int, dy: Array, turns: Turns) -> None:
    """Add the sum of dy (N, O) over rows to a bias's gradient, unless it is frozen; it takes a turn."""
    if at >= 0:
        begin_turn(turns)
        add_rows(dy, vector(g, at, dy.shape[1]))
        end_turn(turns)


# ---- the passes ------------------------------------------------------------------------------------------


@loop
def kept(s: Workspace, layer: int) -> int:
    """Return where a layer's attention weights and GELU's output are: every layer's own place, or one for all."""
    return layer % len(s.activated)


@loop
def computes_again(s: Workspace) -> bool:
    """Return whether the backward computes attention's weights and GELU's output again."""
    return len(s.activated) < len(s.offsets)


@loop
def token_table(s: Workspace, w: Array) -> Array:
    """Return the token table (V, D)."""
    return matrix(w, s.ends[TABLE], len(s.row), s.x.shape[1])


@loop
def table_gradient(s: Workspace, g: Array) -> Array:
    """Return the token table's gradient (V, D), or a matrix without rows if it is frozen."""
    return rows_of(g, s.trained_ends[TABLE], len(s.row), s.x.shape[1])


@loop
def forward(s: Workspace, w: Array, tokens: Array, masked: bool) -> None:
    """Tokens (B, T) → s.normed (N, D), the last norm's output, for the head."""
    x, normed, d = s.x, s.normed, s.x.shape[1]
    f = s.wide.shape[1]
    embed(tokens, token_table(s, w), matrix(w, s.ends[PLACES], s.context, d), x)
    if masked:
        mask_rows(x, s.masks[0], x)
    for layer in range(len(s.offsets)):
        at, first, second = s.offsets[layer], 2 * layer, 2 * layer + 1
        bias = vector(w, at[MIX_BIAS], d)
        normalize(
            x, vector(w, at[LN_1], d), vector(w, at[LN_1_BIAS], d), s.eps,
            s.hat[first], s.r[first], normed, s.zeros if masked else bias,
        )  # fmt: skip
        qkv = s.qkv[layer]
        linear(s, w, layer, QKV, normed, matrix(w, at[QKV_BIAS], 1, 3 * d), qkv)
        attend(qkv, s.blocks, s.batch, s.heads, s.scores, s.weights[kept(s, layer)], s.mixed[layer], s.room)
        if masked:
            linear(s, w, layer, MIX, s.mixed[layer], s.nothing, s.branch)
            add_masked(x, s.branch, bias, s.masks[1 + first])
        else:
            linear(s, w, layer, MIX, s.mixed[layer], x, x)

        bias = vector(w, at[NARROW_BIAS], d)
        normalize(
            x, vector(w, at[LN_2], d), vector(w, at[LN_2_BIAS], d), s.eps,
            s.hat[second], s.r[second], normed, s.zeros if masked else bias,
        )  # fmt: skip
        hidden, activated = s.derivative[layer], s.activated[kept(s, layer)]
        linear(s, w, layer, WIDEN, normed, matrix(w, at[WIDEN_BIAS], 1, f), hidden)
        if computes_again(s):
            gelu_alone(hidden.reshape(hidden.size), activated.reshape(activated.size))
        else:
            gelu(hidden.reshape(hidden.size), activated.reshape(activated.size))
        if masked:
            linear(s, w, layer, NARROW, activated, s.nothing, s.branch)
            add_masked(x, s.branch, bias, s.masks[1 + second])
        else:
            linear(s, w, layer, NARROW, activated, x, x)
    last = len(s.hat) - 1
    gain, bias = vector(w, s.ends[LN_F], d), vector(w, s.ends[LN_F_BIAS], d)
    normalize(x, gain, bias, s.eps, s.hat[last], s.r[last], normed, s.zeros)


@loop
def summed(s: Workspace, g: Array, at: int, size: int, spare: int) -> Array:
    """Return the vector into which a gradient is summed: at its place, or one that is not read if that is -1."""
    return vector(g, at, size) if at >= 0 else vector(s.sums[spare], 0, size)


@loop
def rows_of(g: Array, at: int, rows: int, columns: int) -> Array:
    """Return a table's gradient, or a matrix without rows if it is frozen."""
    return matrix(g, max(at, 0), rows if at >= 0 else 0, columns)


@loop
def clear_vectors(s: Workspace, g: Array) -> None:
    """Set the gradients to 0 to which rows are added one by one; products overwrite the others."""
    d, f, ends = s.x.shape[1], s.wide.shape[1], s.trained_ends
    rows_of(g, ends[PLACES], s.context, d)[:] = _ZERO
    summed(s, g, ends[LN_F], 2 * d, 0)[:] = _ZERO
    for layer in range(len(s.offsets)):
        at = s.trained[layer]
        summed(s, g, at[LN_1], 2 * d, 0)[:] = _ZERO
        summed(s, g, at[QKV_BIAS], 3 * d, 0)[:] = _ZERO
        summed(s, g, at[MIX_BIAS], d, 0)[:] = _ZERO
        summed(s, g, at[LN_2], 2 * d, 0)[:] = _ZERO
        summed(s, g, at[WIDEN_BIAS], f, 0)[:] = _ZERO
        summed(s, g, at[NARROW_BIAS], d, 0)[:] = _ZERO


@loop
def backward(s: Workspace, w: Array, g: Array, tokens: Array, masked: bool, adds: bool, turns: Turns) -> None:
    """Write the gradients of what is trained to g, or add them to those there.

    The head was here before: its share of the table's gradient is in g, and s.branch holds ∂loss/∂normed. Whatever
    writes to g is inside a turn, because other workers may have the same g.
    """
    dx, normed, d = s.x, s.normed, s.x.shape[1]
    f, ends, layers = s.wide.shape[1], s.trained_ends, len(s.offsets)
    dx[:] = _ZERO
    # The sum of the stream's gradient over rows is the bias's gradient of the branch that was added last.
    following = -1 if masked else s.trained[layers - 1, NARROW_BIAS]
    begin_turn(turns)
    normalize_backward(
        s.branch, s.hat[2 * layers], s.r[2 * layers], vector(w, s.ends[LN_F], d), dx,
        summed(s, g, ends[LN_F], d, 0), summed(s, g, ends[LN_F_BIAS], d, 1), summed(s, g, following, d, 2),
    )  # fmt: skip
    end_turn(turns)
    for layer in range(layers - 1, max(s.lowest, 0) - 1, -1):
        places, at, first, second = s.offsets[layer], s.trained[layer], 2 * layer, 2 * layer + 1
        dy = dx
        if masked:
            mask_rows(dx, s.masks[1 + second], normed)
            dy = normed
            add_bias(g, at[NARROW_BIAS], dy, turns)
        derivative, activated = s.derivative[layer], s.activated[kept(s, layer)]
        if computes_again(s):
            gelu(derivative.reshape(derivative.size), activated.reshape(activated.size))
        linear_backward(s, w, g, layer, NARROW, activated, dy, s.wide, adds, turns)
        begin_turn(turns)
        gelu_backward(s.wide, derivative, summed(s, g, at[WIDEN_BIAS], f, 0))
        end_turn(turns)
        gain = vector(w, places[LN_2], d)
        if reads_input(s, layer, WIDEN):
            apply_gain(s.hat[second], gain, vector(w, places[LN_2_BIAS], d), normed)
        linear_backward(s, w, g, layer, WIDEN, normed, s.wide, s.branch, adds, turns)
        following = -1 if masked else at[MIX_BIAS]
        begin_turn(turns)
        normalize_backward(
            s.branch, s.hat[second], s.r[second], gain, dx,
            summed(s, g, at[LN_2], d, 0), summed(s, g, at[LN_2_BIAS], d, 1), summed(s, g, following, d, 2),
        )  # fmt: skip
        end_turn(turns)

        dy = dx
        if masked:
            mask_rows(dx, s.masks[1 + first], normed)
            dy = normed
            add_bias(g, at[MIX_BIAS], dy, turns)
        linear_backward(s, w, g, layer, MIX, s.mixed[layer], dy, s.branch, adds, turns)
        attend_backward(
            s.qkv[layer], s.blocks, s.batch, s.heads, s.scores, s.weights[kept(s, layer)], computes_again(s), s.branch,
            s.dqkv, s.room,
        )  # fmt: skip
        add_bias(g, at[QKV_BIAS], s.dqkv, turns)
        gain = vector(w, places[LN_1], d)
        if reads_input(s, layer, QKV):
            apply_gain(s.hat[first], gain, vector(w, places[LN_1_BIAS], d), normed)
        linear_backward(s, w, g, layer, QKV, normed, s.dqkv, s.branch, adds, turns)
        following = -1 if masked or layer == 0 else s.trained[layer - 1, NARROW_BIAS]
        begin_turn(turns)
        normalize_backward(
            s.branch, s.hat[first], s.r[first], gain, dx,
            summed(s, g, at[LN_1], d, 0), summed(s, g, at[LN_1_BIAS], d, 1), summed(s, g, following, d, 2),
        )  # fmt: skip
        end_turn(turns)
    if s.lowest < 0:
        if masked:
            mask_rows(dx, s.masks[0], dx)
        wait_for_all(turns)  # the head wrote the table's gradient
        begin_turn(turns)
        embed_backward(tokens, dx, table_gradient(s, g), rows_of(g, ends[PLACES], s.context, d))
        end_turn(turns)
