"""One more token: one row through the model, in buffers that are allocated once.

A token takes the time in which the weights arrive from memory, plus some twenty NumPy calls per block. So the calls are
few, each writes where the next one reads, and all lookups are done in advance.
"""

from __future__ import annotations

import math

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.generation.inference.cache import KeyValueCache
from tinygpt.generation.inference.folding import GELU_LINEAR, FoldedWeights

# e^score is computed without subtracting the row's maximum. That was safe if the sum is between these bounds: nothing
# overflowed, and the largest term has all its digits.
SMALLEST_SUM, LARGEST_SUM = 1e-30, 1e30


class OneRow:
    """Work space for one more token of a sequence."""

    def __init__(self, model: ModelConfig, weights: FoldedWeights) -> None:
        d, f, h, c = model.d_model, model.d_hidden, model.n_heads, model.head_dim
        self.model, self.weights = model, weights
        # dot for input-first matrices, vecdot for output-first ones.
        self.product = np.vecdot if weights.streamed else np.dot
        matrices = [matrix.T if weights.streamed else matrix for matrix in weights.matrices]
        self.blocks = [tuple(matrices[first : first + 4]) for first in range(0, 4 * model.n_layers, 4)]
        self.head = matrices[-1]
        self.x = np.empty(d, np.float32)  # the residual stream
        self.normed = np.ones(d + 1, np.float32)  # the last 1 multiplies the bias
        self.qkv = np.empty(3 * d, np.float32)
        self.mixed = np.ones(d + 1, np.float32)
        self.update = np.empty(d, np.float32)
        self.wide = np.empty(f, np.float32)
        self.curve = np.empty(f, np.float32)
        self.hidden = np.ones(f + 1, np.float32)
        self.logits = np.empty(model.vocab_size, np.float32)
        self.scores = np.empty(h * model.context_length, np.float32)
        self.ones = np.ones(model.context_length, np.float32)
        self.sums = np.empty((model.n_layers, h), np.float32)
        self.flat_sums = self.sums.reshape(-1)
        self.scale = np.empty((), np.float32)
        q, k, v = self.qkv.reshape(3, h, c)
        self.views = (
            q[:, None],  # (H, 1, C)
            k,
            v,
            self.normed[:d],
            self.mixed[:d].reshape(h, 1, c),
            self.mixed[:d].reshape(h, c),
            self.hidden[:f],
            [(row, row[:, None]) for row in self.sums],  # (H,), (H, 1)
        )

    def step(self, token: int, cache: KeyValueCache) -> np.ndarray | None:
        """Read one token into the cache and return the scores after it, (V,), in a buffer of this object.

        Return None and leave the cache's length unchanged if an attention row's exponentials left float32's range.
        """
        end = cache.extended_length(1)
        start = cache.length
        add, multiply, dot, matmul, copy, product = np.add, np.multiply, np.dot, np.matmul, np.copyto, self.product
        exp, divide, tanh, sqrt = np.exp, np.divide, np.tanh, math.sqrt
        lowest, highest = np.minimum.reduce, np.maximum.reduce
        x, normed1, qkv, mixed1, update = self.x, self.normed, self.qkv, self.mixed, self.update
        wide, curve, hidden1, scale = self.wide, self.curve, self.hidden, self.scale
        q, k, v, normed, mixed3, mixed, hidden, sums = self.views
        h, d, eps, linear = self.model.n_heads, float(len(x)), self.model.layer_norm_eps, GELU_LINEAR
        flat = self.scores[: h * end]
        scores3, scores = flat.reshape(h, 1, end), flat.reshape(h, end)
        ones = self.ones[:end]
        all_keys, all_values = cache.keys[..., :end], cache.values[:, :, :end]
        new_keys, new_values = cache.keys[..., start], cache.values[:, :, start]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            add(self.weights.tokens[token], self.weights.positions[start], x)
            for (w_qkv, w_projection, w_up, w_down), keys, values, new_key, new_value, (total, totals) in zip(
                self.blocks, all_keys, all_values, new_keys, new_values, sums, strict=True
            ):
                scale[()] = 1.0 / sqrt(float(x.dot(x)) / d + eps)
                multiply(x, scale, normed)
                product(normed1, w_qkv, qkv)
                copy(new_key, k)
                copy(new_value, v)
                matmul(q, keys, scores3)
                exp(flat, flat)
                dot(scores, ones, total)
                matmul(scores3, values, mixed3)
                divide(mixed, totals, mixed)
                product(mixed1, w_projection, update)
                add(x, update, x)

                scale[()] = 1.0 / sqrt(float(x.dot(x)) / d + eps)
                multiply(x, scale, normed)
                product(normed1, w_up, wide)
                multiply(wide, wide, curve)
                add(curve, linear, curve)
                multiply(curve, wide, curve)
                tanh(curve, curve)
                multiply(curve, wide, hidden)
                add(hidden, wide, hidden)
                product(hidden1, w_down, update)
                add(x, update, x)
            scale[()] = 1.0 / sqrt(float(x.dot(x)) / d + eps)
            multiply(x, scale, normed)
            product(normed1, self.head, self.logits)
        if not (lowest(self.flat_sums) > SMALLEST_SUM and highest(self.flat_sums) < LARGEST_SUM):
            return None
        cache.length = end
        return self.logits
