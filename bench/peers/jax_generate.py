"""Greedy generation in JAX: the whole loop, hundreds of tokens, is one compiled program.

A ``lax.scan`` over tokens runs inside a ``lax.scan`` over windows. The cache has the context's full length, so that
shapes never change; empty positions are masked. The number of tokens of each window is known beforehand: the first
fills the rest of the context after the prompt, each later one fills half of it, and the last generates the remainder.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from bench.peers import Generator
from bench.peers.jax_model import Weights, attend, feed_forward, layer_norm, linear, split_heads
from tinygpt.config import ModelConfig
from tinygpt.params import Arrays

Cache = list[tuple[Array, Array]]  # per layer: keys and values, each (H, T, C)


def extend(
    weights: Weights, model: ModelConfig, cache: Cache, tokens: Array, start: Array | int
) -> tuple[Cache, Array]:
    """Read tokens (n,) at positions from ``start``; return the cache and the likeliest next token."""
    n, t, eps = tokens.shape[0], model.context_length, model.layer_norm_eps
    visible = jnp.arange(t) <= start + jnp.arange(n)[:, None]  # (n, T)
    x = weights["wte.weight"][tokens] + lax.dynamic_slice_in_dim(weights["wpe.weight"], start, n)
    filled: Cache = []
    for layer, (keys, values) in enumerate(cache):
        h = f"h.{layer}"
        qkv = linear(layer_norm(x, weights, f"{h}.ln_1", eps), weights, f"{h}.attn.c_attn")
        q, k, v = (split_heads(part, model.n_heads) for part in jnp.split(qkv, 3, axis=-1))  # each (H, n, C)
        keys = lax.dynamic_update_slice_in_dim(keys, k, start, axis=1)
        values = lax.dynamic_update_slice_in_dim(values, v, start, axis=1)
        filled.append((keys, values))
        x = x + linear(attend(q, keys, values, visible), weights, f"{h}.attn.c_proj")
        x = x + feed_forward(layer_norm(x, weights, f"{h}.ln_2", eps), weights, h)
    scores = layer_norm(x[-1], weights, "ln_f", eps) @ weights["wte.weight"].T
    return filled, jnp.argmax(scores).astype(jnp.int32)


def window(weights: Weights, model: ModelConfig, tokens: Array, n_tokens: int) -> Array:
    """Read tokens from position 0 and generate greedily; return the next ids (n_tokens,)."""
    shape = (model.n_heads, model.context_length, model.head_dim)
    empty: Cache = [(jnp.zeros(shape), jnp.zeros(shape)) for _ in range(model.n_layers)]
    cache, first = extend(weights, model, empty, tokens, 0)

    def step(state: tuple[Cache, Array], position: Array) -> tuple[tuple[Cache, Array], Array]:
        cache, token = extend(weights, model, state[0], state[1][None], position)
        return (cache, token), token

    _, rest = lax.scan(step, (cache, first), len(tokens) + jnp.arange(n_tokens - 1))
    return jnp.concatenate([first[None], rest])


def continuation(weights: Weights, prompt: Array, model: ModelConfig, n_tokens: int) -> Array:
    """Continue a prompt (n,) by ``n_tokens`` ids, in as many windows as necessary."""
    context = model.context_length
    half = max(1, context // 2)
    # A full window predicts one token more than it has room for; it begins the next window.
    first = min(n_tokens, context - len(prompt) + 1)
    text = window(weights, model, prompt, first)
    per_window = context - half + 1
    n_full, n_last = divmod(n_tokens - first, per_window)
    tail = jnp.concatenate([prompt, text])[-half:]

    def next_window(tail: Array, _: None) -> tuple[Array, Array]:
        fresh = window(weights, model, tail, per_window)
        return jnp.concatenate([tail, fresh])[-half:], fresh

    if n_full:
        tail, windows = lax.scan(next_window, tail, None, length=n_full)
        text = jnp.concatenate([text, windows.reshape(-1)])
    # Traced separately, so that no superfluous token is computed.
    return jnp.concatenate([text, window(weights, model, tail, n_last)]) if n_last else text


def make_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make a generator in JAX; the first run with new lengths compiles."""
    on_device = {name: jnp.asarray(value) for name, value in weights.items()}
    program = jax.jit(partial(continuation, model=model), static_argnames="n_tokens")

    def run(prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        return np.asarray(program(on_device, prompt.astype(np.int32), n_tokens=n_tokens))

    return run
