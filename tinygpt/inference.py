"""GPT-2 for reading, not learning: plain NumPy, one sequence, and a key-value cache.

    x = wte[token] + wpe[position]
    x = x + attention(layer_norm(x));  x = x + mlp(layer_norm(x))      per block
    logits = layer_norm(x) @ wteᵀ

Keys and values of earlier positions never change, because attention looks only back; keeping them makes one more
token cost one row instead of the whole window. One method serves both uses: a prompt is n rows at once, a
generated token is one row.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.errors import ConfigError
from tinygpt.layers import gelu, layer_norm, linear, softmax
from tinygpt.params import Arrays


class LanguageModel(Protocol):
    """Anything with a shape and weights: an engine, or a loaded checkpoint."""

    @property
    def model(self) -> ModelConfig:
        """The shape."""

    def state_dict(self) -> Arrays:
        """name → array of the shape in ``parameter_shapes``."""


class KeyValueCache:
    """Keys and values of the positions read so far.

    Attributes:
        keys: (L, H, T, C) float32, filled up to ``length``.
        values: (L, H, T, C) float32, likewise.
        length: positions filled, 0 to T.
    """

    def __init__(self, model: ModelConfig) -> None:
        shape = (model.n_layers, model.n_heads, model.context_length, model.head_dim)
        self.keys = np.zeros(shape, np.float32)
        self.values = np.zeros(shape, np.float32)
        self.length = 0


class InferenceModel:
    """A model's weights, ready to score the next token of one growing sequence."""

    def __init__(self, source: LanguageModel) -> None:
        self.model = source.model
        self.weights = {name: np.asarray(array, np.float32) for name, array in source.state_dict().items()}

    def extend(self, tokens: np.ndarray, cache: KeyValueCache) -> np.ndarray:
        """Read n more tokens, adding them to the cache.

        Args:
            tokens: ids (n,), n at least 1; they follow the ``cache.length`` tokens read before.
            cache: updated in place.

        Returns:
            scores of the token after each of them, (n, V) float32.

        Raises:
            ConfigError: the sequence would outgrow the context.
        """
        w, eps = self.weights, self.model.layer_norm_eps
        start, end = cache.length, cache.length + len(tokens)
        if not start < end <= self.model.context_length:
            raise ConfigError(f"a sequence of {end} tokens", f"1 to {self.model.context_length}, the model's context")
        x = w["wte.weight"][tokens] + w["wpe.weight"][start:end]  # (n, D)
        for layer in range(self.model.n_layers):
            h = f"h.{layer}"
            normed, _ = layer_norm(x, w[f"{h}.ln_1.weight"], w[f"{h}.ln_1.bias"], eps)
            qkv = linear(normed, w[f"{h}.attn.c_attn.weight"], w[f"{h}.attn.c_attn.bias"])  # (n, 3 D)
            mixed = self._attend(qkv, cache, layer, start, end)
            x = x + linear(mixed, w[f"{h}.attn.c_proj.weight"], w[f"{h}.attn.c_proj.bias"])
            normed, _ = layer_norm(x, w[f"{h}.ln_2.weight"], w[f"{h}.ln_2.bias"], eps)
            hidden, _ = gelu(linear(normed, w[f"{h}.mlp.c_fc.weight"], w[f"{h}.mlp.c_fc.bias"]))  # (n, F)
            x = x + linear(hidden, w[f"{h}.mlp.c_proj.weight"], w[f"{h}.mlp.c_proj.bias"])
        cache.length = end
        normed, _ = layer_norm(x, w["ln_f.weight"], w["ln_f.bias"], eps)
        logits: np.ndarray = normed @ w["wte.weight"].T
        return logits

    def _attend(self, qkv: np.ndarray, cache: KeyValueCache, layer: int, start: int, end: int) -> np.ndarray:
        """New queries against all keys so far: qkv (n, 3 D) → (n, D)."""
        n, heads, c = end - start, self.model.n_heads, self.model.head_dim
        q, k, v = qkv.reshape(n, 3, heads, c).transpose(1, 2, 0, 3)  # each (H, n, C)
        cache.keys[layer, :, start:end] = k
        cache.values[layer, :, start:end] = v
        scores = q @ cache.keys[layer, :, :end].swapaxes(-1, -2) * np.float32(1.0 / math.sqrt(c))  # (H, n, end)
        if n > 1:  # query i stands at position start + i and sees keys up to there; a single query sees them all
            future = np.arange(end) > np.arange(start, end)[:, None]  # (n, end)
            scores = np.where(future, np.float32(-np.inf), scores)
        mixed = softmax(scores) @ cache.values[layer, :, :end]  # (H, n, C)
        return mixed.transpose(1, 0, 2).reshape(n, heads * c)
