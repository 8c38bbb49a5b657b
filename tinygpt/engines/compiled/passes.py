"""The forward and backward pass of some rows in compiled code.

Where a product's result is added to something (a bias, the residual stream, an earlier gradient), the product starts
from it.
"""

from __future__ import annotations

import numpy as np

from tinygpt.engines.compiled.attention import attend, attend_backward
from tinygpt.engines.compiled.products import multiply, multiply_by_transposed, multiply_transposed
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
    gelu_backward,
    mask_rows,
    normalize,
    normalize_backward,
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


@loop
def forward(s: Workspace, w: Array, tokens: Array, masked: bool) -> None:
    """Tokens (B, T) → s.logits (N, V)."""
    x, normed, d = s.x, s.normed, s.x.shape[1]
    f, v = s.wide.shape[1], s.logits.shape[1]
    table = matrix(w, s.ends[TABLE], v, d)
    embed(tokens, table, matrix(w, s.ends[PLACES], s.context, d), x)
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
        multiply(normed, matrix(w, at[QKV], d, 3 * d), matrix(w, at[QKV_BIAS], 1, 3 * d), qkv, s.room)
        attend(qkv, s.blocks, s.batch, s.heads, s.scores, s.weights[layer], s.mixed[layer], s.room)
        if masked:
            multiply(s.mixed[layer], matrix(w, at[MIX], d, d), s.nothing, s.branch, s.room)
            add_masked(x, s.branch, bias, s.masks[1 + first])
        else:
            multiply(s.mixed[layer], matrix(w, at[MIX], d, d), x, x, s.room)

        bias = vector(w, at[NARROW_BIAS], d)
        normalize(
            x, vector(w, at[LN_2], d), vector(w, at[LN_2_BIAS], d), s.eps,
            s.hat[second], s.r[second], normed, s.zeros if masked else bias,
        )  # fmt: skip
        hidden, activated = s.derivative[layer], s.activated[layer]
        multiply(normed, matrix(w, at[WIDEN], d, f), matrix(w, at[WIDEN_BIAS], 1, f), hidden, s.room)
        gelu(hidden.reshape(hidden.size), activated.reshape(activated.size))
        if masked:
            multiply(activated, matrix(w, at[NARROW], f, d), s.nothing, s.branch, s.room)
            add_masked(x, s.branch, bias, s.masks[1 + second])
        else:
            multiply(activated, matrix(w, at[NARROW], f, d), x, x, s.room)
    last = len(s.hat) - 1
    gain, bias = vector(w, s.ends[LN_F], d), vector(w, s.ends[LN_F_BIAS], d)
    normalize(x, gain, bias, s.eps, s.hat[last], s.r[last], normed, s.zeros)
    multiply_by_transposed(normed, table, s.nothing, s.logits, s.room)


@loop
def add_weight(s: Workspace, x: Array, dy: Array, dweight: Array, adds: bool) -> None:
    """dweight (I, O) ← xᵀ dy, for x (N, I) and dy (N, O), and what is there before if it ``adds``."""
    multiply_transposed(x, dy, dweight if adds else s.nothing, dweight, s.room)


@loop
def backward(s: Workspace, w: Array, g: Array, tokens: Array, masked: bool, adds: bool) -> None:
    """Write the gradients of all parameters to g, or add them to those there; s.logits holds the logits' gradient."""
    dx, normed, d = s.x, s.normed, s.x.shape[1]
    f, v = s.wide.shape[1], s.logits.shape[1]
    table, dtable = matrix(w, s.ends[TABLE], v, d), matrix(g, s.ends[TABLE], v, d)
    dplaces = matrix(g, s.ends[PLACES], s.context, d)
    if not adds:  # vectors are sums, and begin with nothing; products overwrite the matrices
        dplaces[:] = _ZERO
        vector(g, s.ends[LN_F], d)[:] = _ZERO
        vector(g, s.ends[LN_F_BIAS], d)[:] = _ZERO
        for layer in range(len(s.offsets)):
            at = s.offsets[layer]
            vector(g, at[LN_1], 2 * d)[:] = _ZERO
            vector(g, at[QKV_BIAS], 3 * d)[:] = _ZERO
            vector(g, at[MIX_BIAS], d)[:] = _ZERO
            vector(g, at[LN_2], 2 * d)[:] = _ZERO
            vector(g, at[WIDEN_BIAS], f)[:] = _ZERO
            vector(g, at[NARROW_BIAS], d)[:] = _ZERO

    layers = len(s.offsets)
    add_weight(s, s.logits, normed, dtable, adds)
    multiply(s.logits, table, s.nothing, s.branch, s.room)
    dx[:] = _ZERO
    # The sum of the stream's gradient over rows is the bias's gradient of the branch that was added last.
    following = s.sums if masked else vector(g, s.offsets[layers - 1, NARROW_BIAS], d)
    normalize_backward(
        s.branch, s.hat[2 * layers], s.r[2 * layers], vector(w, s.ends[LN_F], d), dx,
        vector(g, s.ends[LN_F], d), vector(g, s.ends[LN_F_BIAS], d), following,
    )  # fmt: skip
    for layer in range(layers - 1, -1, -1):
        at, first, second = s.offsets[layer], 2 * layer, 2 * layer + 1
        dy = dx
        if masked:
            mask_rows(dx, s.masks[1 + second], normed)
            dy = normed
            add_rows(dy, vector(g, at[NARROW_BIAS], d))
        add_weight(s, s.activated[layer], dy, matrix(g, at[NARROW], f, d), adds)
        multiply_by_transposed(dy, matrix(w, at[NARROW], f, d), s.nothing, s.wide, s.room)
        gelu_backward(s.wide, s.derivative[layer], vector(g, at[WIDEN_BIAS], f))
        gain = vector(w, at[LN_2], d)
        apply_gain(s.hat[second], gain, vector(w, at[LN_2_BIAS], d), normed)
        add_weight(s, normed, s.wide, matrix(g, at[WIDEN], d, f), adds)
        multiply_by_transposed(s.wide, matrix(w, at[WIDEN], d, f), s.nothing, s.branch, s.room)
        following = s.sums if masked else vector(g, at[MIX_BIAS], d)
        normalize_backward(
            s.branch, s.hat[second], s.r[second], gain, dx,
            vector(g, at[LN_2], d), vector(g, at[LN_2_BIAS], d), following,
        )  # fmt: skip

        dy = dx
        if masked:
            mask_rows(dx, s.masks[1 + first], normed)
            dy = normed
            add_rows(dy, vector(g, at[MIX_BIAS], d))
        add_weight(s, s.mixed[layer], dy, matrix(g, at[MIX], d, d), adds)
        multiply_by_transposed(dy, matrix(w, at[MIX], d, d), s.nothing, s.branch, s.room)
        attend_backward(s.qkv[layer], s.blocks, s.batch, s.heads, s.scores, s.weights[layer], s.branch, s.dqkv, s.room)
        add_rows(s.dqkv, vector(g, at[QKV_BIAS], 3 * d))
        gain = vector(w, at[LN_1], d)
        apply_gain(s.hat[first], gain, vector(w, at[LN_1_BIAS], d), normed)
        add_weight(s, normed, s.dqkv, matrix(g, at[QKV], d, 3 * d), adds)
        multiply_by_transposed(s.dqkv, matrix(w, at[QKV], d, 3 * d), s.nothing, s.branch, s.room)
        following = s.sums if masked or layer == 0 else vector(g, s.offsets[layer - 1, NARROW_BIAS], d)
        normalize_backward(
            s.branch, s.hat[first], s.r[first], gain, dx,
            vector(g, at[LN_1], d), vector(g, at[LN_1_BIAS], d), following,
        )  # fmt: skip
    if masked:
        mask_rows(dx, s.masks[0], dx)
    embed_backward(tokens, dx, dtable, dplaces)
