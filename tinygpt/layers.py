"""The layers of GPT-2 as plain functions, each forward beside its hand-derived backward.

Data flow: tokens → embed → [layer_norm → attention → + → layer_norm → linear → gelu → linear → +] × L
→ layer_norm → tied head → cross_entropy.

Conventions: ``dx`` is ∂loss/∂x and has x's shape. A backward returns new arrays and does not accumulate; where two
paths meet, the caller adds. A forward returns its output and a cache of exactly what its backward needs. All functions
work in the dtype of their inputs: float32 for training, float64 for tests.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.score_blocks import row_blocks

Array = np.ndarray


# ---- linear: y = x W + b -----------------------------------------------------------------------------


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x (…, I), weight (I, O), bias (O,) → (…, O). The backward needs x and weight, which the caller keeps."""
    return x @ weight + bias


def linear_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """From y_no = Σ_i x_ni W_io + b_o, where n runs over all leading axes:

        dx = dy Wᵀ        dW = xᵀ dy  (summed over n)        db = Σ_n dy

    Returns:
        dx (…, I), dweight (I, O), dbias (O,).
    """
    flat_x = x.reshape(-1, x.shape[-1])  # (N, I)
    flat_dy = dy.reshape(-1, dy.shape[-1])  # (N, O)
    return dy @ weight.T, flat_x.T @ flat_dy, flat_dy.sum(axis=0)


# ---- LoRA (Hu et al. 2021): an addition of low rank to a frozen linear layer ---------------------------


def lora(x: Array, a: Array, b: Array, scale: float) -> Array:
    """scale (x A) B, which is added to x W + b; x (…, I), A (I, r), B (r, O) → (…, O)."""
    return (x @ a) @ b * x.dtype.type(scale)


def lora_backward(dy: Array, x: Array, a: Array, b: Array, scale: float) -> tuple[Array, Array, Array]:
    """Two linear layers in a row, u = x A and y = scale u B; u (N, r) has few columns and is computed again:

        dB = scale uᵀ dy        du = scale dy Bᵀ        dA = xᵀ du        dx = du Aᵀ

    Returns:
        dx (…, I), which is added to dy Wᵀ, dA (I, r), dB (r, O).
    """
    flat_x = x.reshape(-1, x.shape[-1])  # (N, I)
    scaled = dy.reshape(-1, dy.shape[-1]) * dy.dtype.type(scale)  # (N, O)
    du = scaled @ b.T  # (N, r)
    return (du @ a.T).reshape(x.shape), flat_x.T @ du, (flat_x @ a).T @ scaled


# ---- layer normalisation (Ba et al. 2016) ------------------------------------------------------------


def layer_norm(x: Array, gain: Array, bias: Array, eps: float) -> tuple[Array, tuple[Array, Array]]:
    """y = gain · x̂ + bias with x̂ = (x − mean) / √(var + eps), over the last axis (…, D).

    The cache has x̂ (…, D) and the reciprocal deviation r (…, 1), which is all that the backward needs.
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    r = 1.0 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)  # (…, 1)
    x_hat = centred * r
    return gain * x_hat + bias, (x_hat, r)


def layer_norm_backward(dy: Array, gain: Array, cache: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """Let dx̂ = dy · gain. A change of one x changes x̂ directly, through the mean, and through r:

        ∂x̂_j/∂x_i = r (δ_ij − 1/D − x̂_i x̂_j / D)
        dx = r (dx̂ − mean(dx̂) − x̂ · mean(dx̂ · x̂))          means over the last axis

    Returns:
        dx (…, D), dgain (D,), dbias (D,).
    """
    x_hat, r = cache
    dx_hat = dy * gain
    dx = r * (dx_hat - dx_hat.mean(axis=-1, keepdims=True) - x_hat * (dx_hat * x_hat).mean(axis=-1, keepdims=True))
    rows = tuple(range(dy.ndim - 1))
    return dx, (dy * x_hat).sum(axis=rows), dy.sum(axis=rows)


# ---- GELU in its tanh form (Hendrycks & Gimpel 2016) -------------------------------------------------

GELU_SCALE = math.sqrt(2.0 / math.pi)
GELU_CUBIC = 0.044715


def gelu(x: Array) -> tuple[Array, Array]:
    """y = ½ x (1 + tanh a) with a = √(2/π) (x + 0.044715 x³), element-wise; the cache is tanh a."""
    tanh = np.tanh(GELU_SCALE * (x + GELU_CUBIC * x * x * x))
    return 0.5 * x * (1.0 + tanh), tanh


def gelu_backward(dy: Array, x: Array, tanh: Array) -> Array:
    """From ∂tanh a/∂a = 1 − tanh² a and ∂a/∂x = √(2/π) (1 + 3 · 0.044715 x²):

    dx = dy · (½ (1 + tanh a) + ½ x (1 − tanh² a) ∂a/∂x)
    """
    da_dx = GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * x * x)
    return dy * (0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * da_dx)


# ---- causal multi-head attention (Vaswani et al. 2017) ----------------------------------------------


def split_heads(x: Array, n_heads: int) -> Array:
    """(B, T, D) → (B, H, T, C)."""
    b, t, d = x.shape
    return x.reshape(b, t, n_heads, d // n_heads).transpose(0, 2, 1, 3)


def merge_heads(x: Array) -> Array:
    """(B, H, T, C) → (B, T, D)."""
    b, h, t, c = x.shape
    return x.transpose(0, 2, 1, 3).reshape(b, t, h * c)


def softmax(x: Array) -> Array:
    """e^x / Σ e^x over the last axis; subtracting the maximum only prevents overflow."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def attention(qkv: Array, n_heads: int) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """Each position attends to itself and earlier ones: A = softmax(q kᵀ / √C + mask), y = A v.

    Args:
        qkv: queries, keys and values, concatenated, (B, T, 3 D).
        n_heads: H.

    Returns:
        y (B, T, D) and the cache q, k, v (B, H, T, C), A (B, H, T, T).
    """
    q, k, v = (split_heads(part, n_heads) for part in np.split(qkv, 3, axis=-1))
    t, c = q.shape[-2:]
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(c)  # (B, H, T, T)
    future = np.triu(np.ones((t, t), bool), k=1)
    weights = softmax(np.where(future, -np.inf, scores).astype(qkv.dtype))
    return merge_heads(weights @ v), (q, k, v, weights)


def attention_backward(dy: Array, cache: tuple[Array, Array, Array, Array]) -> Array:
    """Backward through y = A v, the softmax, and S = q kᵀ / √C, with t a query's position and s, s′ its keys':

        dv = Aᵀ dy        dA = dy vᵀ
        dS_ts = A_ts (dA_ts − Σ_s′ A_ts′ dA_ts′)     from ∂A_ts′/∂S_ts = A_ts′ (δ_ss′ − A_ts); zero where A is masked
        dq = dS k / √C    dk = dSᵀ q / √C

    Returns:
        dqkv (B, T, 3 D).
    """
    q, k, v, weights = cache
    dy_heads = split_heads(dy, q.shape[1])  # (B, H, T, C)
    dv = weights.swapaxes(-1, -2) @ dy_heads
    dweights = dy_heads @ v.swapaxes(-1, -2)  # (B, H, T, T)
    dscores = weights * (dweights - (weights * dweights).sum(axis=-1, keepdims=True)) / math.sqrt(q.shape[-1])
    dq = dscores @ k
    dk = dscores.swapaxes(-1, -2) @ q
    return np.concatenate([merge_heads(part) for part in (dq, dk, dv)], axis=-1)


# ---- token and position embeddings -------------------------------------------------------------------


def embed(tokens: Array, token_table: Array, position_table: Array) -> Array:
    """x[b, t] = token_table[tokens[b, t]] + position_table[t]; (B, T) → (B, T, D)."""
    return token_table[tokens] + position_table[: tokens.shape[1]]


def embed_backward(dx: Array, tokens: Array, token_table: Array, position_table: Array) -> tuple[Array, Array]:
    """Each row of a table gets the sum of dx over the positions that read it.

    Returns:
        dtoken_table (V, D), dposition_table (T_max, D), with zeros in rows that were not read.
    """
    dtoken_table = np.zeros_like(token_table)
    np.add.at(dtoken_table, tokens, dx)  # unlike +=, counts every occurrence of a repeated token
    dposition_table = np.zeros_like(position_table)
    dposition_table[: dx.shape[1]] = dx.sum(axis=0)
    return dtoken_table, dposition_table


# ---- cross-entropy ------------------------------------------------------------------------------------


def cross_entropy(logits: Array, targets: Array) -> tuple[float, Array]:
    """loss = mean over (B, T) of −ln p[target] with p = softmax(logits), nats per token; the cache is p."""
    p = softmax(logits)  # (B, T, V)
    below_maximum = logits - logits.max(axis=-1, keepdims=True)
    log_p = below_maximum - np.log(np.exp(below_maximum).sum(axis=-1, keepdims=True))
    return float(-np.take_along_axis(log_p, targets[..., None], axis=-1).mean(dtype=np.float64)), p


def cross_entropy_backward(p: Array, targets: Array, positions: int | None = None) -> Array:
    """dz = (p − onehot(target)) / N, from ∂ ln Σ_c e^z_c / ∂z_c = p_c; N = B·T positions of the mean.

    ``positions`` is N if these are only some of them.
    """
    dlogits = p.copy()
    rows = dlogits.reshape(-1, p.shape[-1])
    rows[np.arange(len(rows)), targets.reshape(-1)] -= 1.0
    return dlogits / (positions or targets.size)


def token_losses(logits: Array, targets: Array) -> Array:
    """Return −ln p[target] of each position, nats, float64; logits (…, V), targets (…)."""
    below_maximum = logits - logits.max(axis=-1, keepdims=True)
    log_normalizer = np.log(np.exp(below_maximum).sum(axis=-1, dtype=np.float64))
    chosen = np.take_along_axis(below_maximum, np.asarray(targets, np.int64)[..., None], axis=-1)[..., 0]
    losses: Array = log_normalizer - chosen
    return losses


# ---- the tied head with its loss ----------------------------------------------------------------------


def tied_head(x: Array, table: Array, targets: Array, is_trained: bool = True) -> tuple[float, Array, Array]:
    """The loss of z = x tableᵀ and its gradients, for x (B, T, D), a table (V, D) and targets (B, T).

    From dz, the gradient of the scores (B, T, V):

        dx = dz table        dtable = dzᵀ x  (summed over all positions)

    A score is of one position only, and the loss and dtable are sums over positions. So a block of positions goes
    through all of it before the next one begins, and only its scores exist.

    Returns:
        loss, dx (B, T, D), dtable (V, D), which is 0 unless the table ``is_trained``.
    """
    loss, dx, dtable = 0.0, np.empty_like(x), np.zeros_like(table)
    length, width = x.shape[1], len(table)
    for part in row_blocks(length, len(x) * width):
        block = x[:, part]  # (B, t, D)
        part_loss, p = cross_entropy(block @ table.T, targets[:, part])
        dlogits = cross_entropy_backward(p, targets[:, part], targets.size)  # (B, t, V)
        loss += part_loss * (block.shape[1] / length)
        dx[:, part] = dlogits @ table
        if is_trained:
            dtable += dlogits.reshape(-1, width).T @ block.reshape(-1, block.shape[-1])
        del p, dlogits  # before the next block's
    return loss, dx, dtable
