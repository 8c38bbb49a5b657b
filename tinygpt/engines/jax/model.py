"""GPT-2 in plain ``jax.numpy``: tokens → logits → loss. JAX derives the gradients.

    x = wte[tokens] + wpe;   x = x + attn(ln_1(x));   x = x + mlp(ln_2(x));   logits = ln_f(x) · wteᵀ

The residual stream is (N, D), N = B·T rows, in float32. Branches have the type of the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
from jax import Array, lax

from tinygpt.config import ModelConfig
from tinygpt.engines.jax.head import block_count, blocked_loss, blocked_losses, losses, scores
from tinygpt.engines.jax.layout import BLOCKS, Tree
from tinygpt.engines.jax.settings import Arithmetic, Settings

Layer = dict[str, Array]

# From this context length on, attention takes the queries in two halves; below, more kernels cost what they save.
HALVED_FROM = 256

# Up to this vocabulary, a product picks the embeddings; beyond, its 2 N V D operations cost more than a scatter.
PICKED_UP_TO = 1024


def layer_norm(x: Array, gain: Array, bias: Array, eps: float) -> Array:
    """Normalise rows (N, D) in float32, then gain and bias (Ba et al. 2016)."""
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + eps) * gain + bias


def linear(x: Array, weight: Array, bias: Array, arithmetic: Arithmetic) -> Array:
    """x (N, in) · W (in, out) + b, in the arithmetic's type."""
    product = jnp.matmul(x.astype(arithmetic.dtype), weight.astype(arithmetic.dtype), precision=arithmetic.precision)
    return product + bias.astype(arithmetic.dtype)


def attend(q: Array, k: Array, v: Array, visible: Array, arithmetic: Arithmetic) -> Array:
    """Softmax attention with the scores stored: q (B, H, n, C), k and v (B, H, m, C) → (B, H, n, C).

    ``visible`` broadcasts to (B, H, n, m) and is true where a query may attend. The softmax is in float32.
    """
    product = partial(jnp.einsum, precision=arithmetic.precision)
    scores = product("bhnc,bhmc->bhnm", q, k).astype(jnp.float32) * (1.0 / math.sqrt(q.shape[-1]))
    weights = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1)
    return product("bhnm,bhmc->bhnc", weights.astype(arithmetic.dtype), v)


def self_attention(qkv: Array, shape: tuple[int, int, int], settings: Settings) -> Array:
    """Causal self-attention: (N, 3 D) → (N, D), with ``shape`` = (B, T, H)."""
    b, t, h = shape
    q, k, v = (part.reshape(b, t, h, -1) for part in jnp.split(qkv, 3, axis=-1))  # each (B, T, H, C)
    if settings.fused_attention:
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation="cudnn")
        return mixed.reshape(b * t, -1)
    q, k, v = (jnp.swapaxes(part, 1, 2) for part in (q, k, v))  # each (B, H, T, C)
    # The first half of a long context never attends to the second half: those scores are not computed.
    bounds = (0, t // 2, t) if t >= HALVED_FROM else (0, t)
    parts = []
    for first, end in pairwise(bounds):
        visible = jnp.arange(first, end)[:, None] >= jnp.arange(end)
        parts.append(attend(q[:, :, first:end], k[:, :, :end], v[:, :, :end], visible, settings.arithmetic))
    mixed = jnp.concatenate(parts, axis=2)  # (B, H, T, C)
    return jnp.swapaxes(mixed, 1, 2).reshape(b * t, -1)


def feed_forward(x: Array, w: Layer, arithmetic: Arithmetic) -> Array:
    """Two projections with the tanh GELU between them, (N, D) → (N, D)."""
    hidden = linear(x, w["mlp.c_fc.weight"], w["mlp.c_fc.bias"], arithmetic)
    return linear(jax.nn.gelu(hidden, approximate=True), w["mlp.c_proj.weight"], w["mlp.c_proj.bias"], arithmetic)


def drop(x: Array, key: Array | None, rate: float) -> Array:
    """Dropout (Srivastava et al. 2014): zero a share of the numbers, scale up the others; do nothing without a key."""
    if key is None or rate == 0.0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1.0 - rate, x.shape), x / (1.0 - rate), 0.0)


def block(x: Array, w: Layer, key: Array | None, shape: tuple[int, int, int], eps: float, settings: Settings) -> Array:
    """One transformer block, pre-LayerNorm, (N, D) → (N, D); ``shape`` = (B, T, H)."""
    arithmetic = settings.arithmetic
    first, second = (None, None) if key is None else jax.random.split(key)
    normed = layer_norm(x, w["ln_1.weight"], w["ln_1.bias"], eps)
    qkv = linear(normed, w["attn.c_attn.weight"], w["attn.c_attn.bias"], arithmetic)
    mixed = self_attention(qkv, shape, settings)
    branch = linear(mixed, w["attn.c_proj.weight"], w["attn.c_proj.bias"], arithmetic)
    x = x + drop(branch, first, settings.dropout)
    branch = feed_forward(layer_norm(x, w["ln_2.weight"], w["ln_2.bias"], eps), w, arithmetic)
    return x + drop(branch, second, settings.dropout)


def embed(weights: Tree, tokens: Array) -> Array:
    """Token ids (B, T) → (N, D).

    From a small table, a product with a one-hot matrix picks the rows. It is exact, and its gradient is a product too;
    the gradient of indexing is a scatter of N rows into V.
    """
    b, t = tokens.shape
    table = weights["wte.weight"]
    if len(table) <= PICKED_UP_TO:
        picks = jax.nn.one_hot(tokens.reshape(-1), len(table), dtype=table.dtype)  # (N, V)
        x = jnp.matmul(picks, table, precision=lax.Precision.HIGHEST)
    else:
        x = table[tokens.reshape(-1)]
    return (x.reshape(b, t, -1) + weights["wpe.weight"][:t]).reshape(b * t, -1)


def hidden(weights: Tree, tokens: Array, key: Array | None, model: ModelConfig, settings: Settings) -> Array:
    """Token ids (B, T) → the last norm's output (N, D); with dropout if there is a key."""
    b, t = tokens.shape
    layer_of: Callable[..., Array] = partial(
        block, shape=(b, t, model.n_heads), eps=model.layer_norm_eps, settings=settings
    )
    if settings.remat:
        layer_of = jax.checkpoint(layer_of)
    blocks = weights[BLOCKS]
    keys = None if key is None or settings.dropout == 0.0 else jax.random.split(key, model.n_layers + 1)
    x = embed(weights, tokens)
    if keys is not None:
        x = drop(x, keys[-1], settings.dropout)
    if isinstance(blocks, dict):
        x, _ = lax.scan(lambda x, layer: (layer_of(x, *layer), None), x, (blocks, None if keys is None else keys[:-1]))
    else:
        for index, layer in enumerate(blocks):
            x = layer_of(x, layer, None if keys is None else keys[index])
    return layer_norm(x, weights["ln_f.weight"], weights["ln_f.bias"], model.layer_norm_eps)


def logits(weights: Tree, tokens: Array, model: ModelConfig, settings: Settings) -> Array:
    """Token ids (B, T) → scores (N, V), float32."""
    final = hidden(weights, tokens, None, model, settings)
    return scores(final, weights["wte.weight"], settings.arithmetic)


def loss(
    weights: Tree, tokens: Array, targets: Array, key: Array | None, model: ModelConfig, settings: Settings
) -> Array:
    """Mean cross-entropy in nats per token, a scalar; with dropout if there is a key."""
    final, table = hidden(weights, tokens, key, model, settings), weights["wte.weight"]
    b, t = tokens.shape
    count = block_count((b, t), model.vocab_size, settings.most_scores)
    if count == 1:
        return losses(scores(final, table, settings.arithmetic), targets).mean()
    return blocked_loss(final, table, targets.reshape(-1), (b, t), count, settings.arithmetic)


def token_losses(weights: Tree, tokens: Array, targets: Array, model: ModelConfig, settings: Settings) -> Array:
    """Cross-entropies (N,), nats, of token ids and targets (B, T)."""
    final = hidden(weights, tokens, None, model, settings)
    b, t = tokens.shape
    count = block_count((b, t), model.vocab_size, settings.most_scores)
    return blocked_losses(final, weights["wte.weight"], targets.reshape(-1), (b, t), count, settings.arithmetic)
