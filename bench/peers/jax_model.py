"""GPT-2 as a JAX user would write it: pure functions of a dictionary of arrays, plain ``jax.numpy``.

The dictionary has the project's names and layouts, so nothing is transposed.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array

from tinygpt.config import ModelConfig

Weights = dict[str, Array]


def layer_norm(x: Array, weights: Weights, name: str, eps: float) -> Array:
    """Normalise the last axis and apply gain and bias."""
    centred = x - x.mean(-1, keepdims=True)
    scale = jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + eps)
    return centred * scale * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: Array, weights: Weights, name: str) -> Array:
    """Return x · W + b, with x as rows: XLA's product for a weight's gradient is slower over two axes than one."""
    rows = x.reshape(-1, x.shape[-1]) @ weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return rows.reshape(*x.shape[:-1], -1)


def feed_forward(x: Array, weights: Weights, h: str) -> Array:
    """Apply two projections with the tanh GELU between them."""
    return linear(jax.nn.gelu(linear(x, weights, f"{h}.mlp.c_fc"), approximate=True), weights, f"{h}.mlp.c_proj")


def split_heads(x: Array, n_heads: int) -> Array:
    """Map (…, T, D) → (…, H, T, C)."""
    return jnp.swapaxes(x.reshape(*x.shape[:-1], n_heads, -1), -3, -2)


def attend(q: Array, k: Array, v: Array, visible: Array) -> Array:
    """Return softmax attention (…, n, D), heads side by side.

    Args:
        q: (…, H, n, C).
        k: (…, H, m, C).
        v: (…, H, m, C).
        visible: (n, m), true where a query may attend.
    """
    scores = (q @ jnp.swapaxes(k, -1, -2)) * (1.0 / math.sqrt(q.shape[-1]))
    mixed = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1) @ v
    return jnp.swapaxes(mixed, -3, -2).reshape(*q.shape[:-3], q.shape[-2], -1)


def logits(weights: Weights, tokens: Array, model: ModelConfig) -> Array:
    """Map token ids (B, T) → scores (B, T, V)."""
    t, eps = tokens.shape[1], model.layer_norm_eps
    visible = jnp.tril(jnp.ones((t, t), bool))
    x = weights["wte.weight"][tokens] + weights["wpe.weight"][:t]
    for layer in range(model.n_layers):
        h = f"h.{layer}"
        qkv = linear(layer_norm(x, weights, f"{h}.ln_1", eps), weights, f"{h}.attn.c_attn")
        q, k, v = (split_heads(part, model.n_heads) for part in jnp.split(qkv, 3, axis=-1))
        x = x + linear(attend(q, k, v, visible), weights, f"{h}.attn.c_proj")
        x = x + feed_forward(layer_norm(x, weights, f"{h}.ln_2", eps), weights, h)
    return layer_norm(x, weights, "ln_f", eps) @ weights["wte.weight"].T


def loss(weights: Weights, tokens: Array, targets: Array, model: ModelConfig) -> Array:
    """Return the mean cross-entropy in nats per token, a scalar."""
    scores = logits(weights, tokens, model)
    chosen = jnp.take_along_axis(scores, targets[..., None], axis=-1)[..., 0]
    return (jax.nn.logsumexp(scores, axis=-1) - chosen).mean()
