"""Many tokens at once: a prompt's positions in one pass, or the next token of many sequences.

The blocks are those of one token, applied to n columns, so that each matrix is read once for n tokens. Tokens are
columns, (D, n), because large matrices are output-first, and BLAS multiplies (outputs, inputs) by (inputs, n) faster
than the transposed product when n is small. The two uses differ only in attention, which is passed as a function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.generation.inference.cache import BatchCache, KeyValueCache
from tinygpt.generation.inference.coding import CodedWeights
from tinygpt.generation.inference.folding import GELU_LINEAR, FoldedWeights

# (layer, queries, keys and values (3, H, C, n)) → mixed values (D, m) of all tokens, or of the last m of them
Attention = Callable[[int, np.ndarray], np.ndarray]
Weights = FoldedWeights | CodedWeights


def read(model: ModelConfig, weights: Weights, tokens: np.ndarray, cache: KeyValueCache, every: bool) -> np.ndarray:
    """Read n tokens into the cache in one pass.

    Args:
        model: the model's shape.
        weights: folded, or in fewer bytes.
        tokens: ids (n,); they follow the ``cache.length`` tokens read before.
        cache: updated in place.
        every: return the scores after every token, not only after the last.

    Returns:
        scores (n, V) or (1, V).
    """
    end, start, n = cache.extended_length(len(tokens)), cache.length, len(tokens)
    # Query i is at position start + i and sees the keys up to there; all queries see the earlier positions.
    future = np.triu(np.full((n, n), -np.inf, np.float32), k=1)

    def attend(layer: int, qkv: np.ndarray) -> np.ndarray:
        q, k, v = qkv  # each (H, C, n)
        cache.keys[layer, :, :, start:end] = k
        cache.values[layer, :, start:end] = v.swapaxes(1, 2)
        # The last block needs only the keys and values of the earlier tokens, not their outputs.
        m = n if every or layer < model.n_layers - 1 else 1
        scores = q[..., n - m :].swapaxes(1, 2) @ cache.keys[layer, :, :, :end]  # (H, m, end)
        scores[:, :, start:] += future[n - m :]
        sums = _exponentials(scores)  # (H, m)
        mixed = cache.values[layer, :, :end].swapaxes(1, 2) @ scores.swapaxes(1, 2)  # (H, C, m)
        mixed /= sums[:, None]
        return mixed.reshape(model.d_model, m)

    x = weights.embed(tokens, slice(start, end)).T
    logits = _through_blocks(model, weights, x, attend)
    cache.length = end
    return logits


def step(model: ModelConfig, weights: Weights, tokens: np.ndarray, cache: BatchCache) -> np.ndarray:
    """Read one more token of each of B sequences: ids (B,) → scores (B, V); update the cache.

    Sequences of different lengths share one product over the longest; positions beyond a row's own end are masked.
    """
    ends = np.array(cache.lengths_after_one_more())
    starts, longest, rows = ends - 1, ends.max(), np.arange(len(ends))
    ragged = bool(ends.min() < longest)
    beyond = np.where(np.arange(longest) < ends[:, None], np.float32(0.0), np.float32(-np.inf))  # (B, longest)

    def attend(layer: int, qkv: np.ndarray) -> np.ndarray:
        q, k, v = qkv.transpose(0, 3, 1, 2)  # each (B, H, C)
        cache.keys[layer, rows, :, :, starts] = k
        cache.values[layer, rows, :, starts] = v
        scores = q[:, :, None] @ cache.keys[layer, ..., :longest]  # (B, H, 1, longest)
        if ragged:
            scores += beyond[:, None, None]
        sums = _exponentials(scores)  # (B, H, 1)
        mixed = scores @ cache.values[layer, :, :, :longest]  # (B, H, 1, C)
        mixed /= sums[..., None]
        return mixed.reshape(len(ends), model.d_model).T

    x = weights.embed(tokens, starts).T
    logits = _through_blocks(model, weights, x, attend)
    for row, end in zip(cache.rows, ends.tolist(), strict=True):
        row.length = end
    return logits


def _through_blocks(model: ModelConfig, weights: Weights, x: np.ndarray, attend: Attention) -> np.ndarray:
    """The residual stream (D, n) → scores (m, V) of the m tokens that ``attend`` returns in the last block."""
    eps = np.float32(model.layer_norm_eps)
    for layer in range(model.n_layers):
        first = 4 * layer  # of the block's matrices
        qkv = weights.times(first, weights.normed(x, eps))  # (3 D, n)
        mixed = attend(layer, qkv.reshape(3, model.n_heads, model.head_dim, -1))
        x = x[:, -mixed.shape[1] :] + weights.times(first + 1, mixed)
        wide = weights.times(first + 2, weights.normed(x, eps))  # (F, m)
        x += weights.times(first + 3, _activated(wide))
    return weights.times(4 * model.n_layers, weights.normed(x, eps)).T


def _activated(xi: np.ndarray) -> np.ndarray:
    """ξ (1 + tanh(ξ (ξ² + √(2/π)/α))): GELU without the scales that are folded into its matrices."""
    curve = xi * xi
    curve += GELU_LINEAR
    curve *= xi
    np.tanh(curve, out=curve)
    curve += np.float32(1.0)
    curve *= xi
    return curve


def _exponentials(scores: np.ndarray) -> np.ndarray:
    """Turn scores into e^(s − max s) over the last axis, in place; return their sums, without that axis."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    return np.add.reduce(scores, axis=-1)
