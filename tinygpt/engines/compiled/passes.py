"""The forward and backward pass of some rows in compiled code; the products call BLAS themselves.

Where a product's result is added to something (a bias, the residual stream, an earlier gradient), that lies in the
result's memory before, and the product adds to it.
"""

from __future__ import annotations

import numpy as np

from tinygpt.engines.compiled.attention import attend, attend_backward
from tinygpt.engines.compiled.blas import multiply, multiply_by_transposed, multiply_transposed
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
    fill_rows,
    gelu,
    gelu_backward,
    mask_rows,
    normalize,
    normalize_backward,
)

Array = np.ndarray

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


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
        fill_rows(qkv, vector(w, at[QKV_BIAS], 3 * d))
        multiply(normed, matrix(w, at[QKV], d, 3 * d), qkv, _ONE)
        attend(qkv, s.blocks, s.batch, s.heads, s.scores, s.weights[layer], s.mixed[layer])
        if masked:
            multiply(s.mixed[layer], matrix(w, at[MIX], d, d), s.branch, _ZERO)
            add_masked(x, s.branch, bias, s.masks[1 + first])
        else:
            multiply(s.mixed[layer], matrix(w, at[MIX], d, d), x, _ONE)

        bias = vector(w, at[NARROW_BIAS], d)
        normalize(
            x, vector(w, at[LN_2], d), vector(w, at[LN_2_BIAS], d), s.eps,
            s.hat[second], s.r[second], normed, s.zeros if masked else bias,
        )  # fmt: skip
        hidden, activated = s.derivative[layer], s.activated[layer]
        fill_rows(hidden, vector(w, at[WIDEN_BIAS], f))
        multiply(normed, matrix(w, at[WIDEN], d, f), hidden, _ONE)
        gelu(hidden.reshape(hidden.size), activated.reshape(activated.size))
        if masked:
            multiply(activated, matrix(w, at[NARROW], f, d), s.branch, _ZERO)
            add_masked(x, s.branch, bias, s.masks[1 + second])
        else:
            multiply(activated, matrix(w, at[NARROW], f, d), x, _ONE)
    last = len(s.hat) - 1
    gain, bias = vector(w, s.ends[LN_F], d), vector(w, s.ends[LN_F_BIAS], d)
    normalize(x, gain, bias, s.eps, s.hat[last], s.r[last], normed, s.zeros)
    multiply_by_transposed(normed, table, s.logits, _ZERO)


@loop
def backward(s: Workspace, w: Array, g: Array, tokens: Array, masked: bool, beta: np.float32) -> None:
    """Add the gradients of all parameters to ``beta`` times those in g; s.logits holds the logits' gradient."""
    dx, normed, d = s.x, s.normed, s.x.shape[1]
    f, v = s.wide.shape[1], s.logits.shape[1]
    table, dtable = matrix(w, s.ends[TABLE], v, d), matrix(g, s.ends[TABLE], v, d)
    dplaces = matrix(g, s.ends[PLACES], s.context, d)
    if beta == _ZERO:  # vectors are sums, and begin with nothing; products overwrite the matrices
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
    multiply_transposed(s.logits, normed, dtable, beta)
    multiply(s.logits, table, s.branch, _ZERO)
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
        multiply_transposed(s.activated[layer], dy, matrix(g, at[NARROW], f, d), beta)
        multiply_by_transposed(dy, matrix(w, at[NARROW], f, d), s.wide, _ZERO)
        gelu_backward(s.wide, s.derivative[layer], vector(g, at[WIDEN_BIAS], f))
        gain = vector(w, at[LN_2], d)
        apply_gain(s.hat[second], gain, vector(w, at[LN_2_BIAS], d), normed)
        multiply_transposed(normed, s.wide, matrix(g, at[WIDEN], d, f), beta)
        multiply_by_transposed(s.wide, matrix(w, at[WIDEN], d, f), s.branch, _ZERO)
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
        multiply_transposed(s.mixed[layer], dy, matrix(g, at[MIX], d, d), beta)
        multiply_by_transposed(dy, matrix(w, at[MIX], d, d), s.branch, _ZERO)
        attend_backward(s.qkv[layer], s.blocks, s.batch, s.heads, s.scores, s.weights[layer], s.branch, s.dqkv)
        add_rows(s.dqkv, vector(g, at[QKV_BIAS], 3 * d))
        gain = vector(w, at[LN_1], d)
        apply_gain(s.hat[first], gain, vector(w, at[LN_1_BIAS], d), normed)
        multiply_transposed(normed, s.dqkv, matrix(g, at[QKV], d, 3 * d), beta)
        multiply_by_transposed(s.dqkv, matrix(w, at[QKV], d, 3 * d), s.branch, _ZERO)
        following = s.sums if masked or layer == 0 else vector(g, s.offsets[layer - 1, NARROW_BIAS], d)
        normalize_backward(
            s.branch, s.hat[first], s.r[first], gain, dx,
            vector(g, at[LN_1], d), vector(g, at[LN_1_BIAS], d), following,
        )  # fmt: skip
    if masked:
        mask_rows(dx, s.masks[0], dx)
    embed_backward(tokens, dx, dtable, dplaces)
