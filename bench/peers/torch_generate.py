"""Greedy generation in PyTorch, eager and compiled: a key-value cache allocated once, fused attention over it.

The loop calls the functions below PyTorch's modules, which saves each token the modules' own calls. One pass reads a
prompt or half a window again; then each token is a row.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.peers import Generator
from bench.peers.torch_model import to_module
from tinygpt.config import ModelConfig
from tinygpt.params import Arrays
from tinygpt.system.threads import available_cores


class TorchGenerator:
    """Weights and cache, allocated before the first token."""

    def __init__(self, model: ModelConfig, weights: Arrays, threads: int) -> None:
        torch.set_num_threads(threads)
        self.model = model
        self.weights = {name: to_module(name, value) for name, value in weights.items()}
        self.blocks = [
            tuple(
                self.weights[f"h.{layer}.{name}.{kind}"]
                for name in ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
                for kind in ("weight", "bias")
            )
            for layer in range(model.n_layers)
        ]
        cache = torch.zeros(model.n_layers, 2, 1, model.n_heads, model.context_length, model.head_dim)
        self.caches = [(layer[0], layer[1]) for layer in cache]  # keys and values, each (1, H, T, C)

    def extend(self, tokens: Tensor, start: int) -> Tensor:
        """Read tokens (n,) at positions from ``start``; return the last one's scores (V,)."""
        end = start + len(tokens)
        return self._read(tokens, slice(start, end), end, None)

    def _read(self, tokens: Tensor, places: slice | Tensor, end: int, visible: Tensor | None) -> Tensor:
        """Read tokens (n,) into places of the cache; attend to those before ``end`` that are ``visible`` (1, end)."""
        d, heads, eps = self.model.d_model, self.model.n_heads, self.model.layer_norm_eps
        n = len(tokens)
        x = F.embedding(tokens, self.weights["wte.weight"]) + self.weights["wpe.weight"][places]  # (n, D)
        for (g1, b1, wa, ba, wp, bp, g2, b2, wf, bf, wo, bo), (keys, values) in zip(
            self.blocks, self.caches, strict=True
        ):
            qkv = F.linear(F.layer_norm(x, (d,), g1, b1, eps), wa, ba)
            q, k, v = qkv.view(n, 3, heads, -1).permute(1, 2, 0, 3).unsqueeze(1)  # each (1, H, n, C)
            keys[:, :, places] = k
            values[:, :, places] = v
            # A pass of several tokens always has an empty cache, so the plain causal mask fits.
            mixed = F.scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end], visible, is_causal=n > 1)
            x = x + F.linear(mixed.transpose(1, 2).reshape(n, d), wp, bp)
            hidden = F.gelu(F.linear(F.layer_norm(x, (d,), g2, b2, eps), wf, bf), approximate="tanh")
            x = x + F.linear(hidden, wo, bo)
        last = F.layer_norm(x[-1], (d,), self.weights["ln_f.weight"], self.weights["ln_f.bias"], eps)
        return F.linear(last, self.weights["wte.weight"])

    def run(self, prompt: np.ndarray, n_tokens: int) -> np.ndarray:
        """Continue a prompt (n,) by the ``n_tokens`` likeliest ids."""
        context, read = self.model.context_length, 0
        text = torch.empty(len(prompt) + n_tokens, dtype=torch.int64)
        text[: len(prompt)] = torch.from_numpy(prompt.astype(np.int64))
        unread, length = len(prompt), len(prompt)
        with torch.inference_mode():
            while length < len(text):
                if read + unread > context:
                    read, unread = 0, max(1, context // 2)
                scores = self.extend(text[length - unread : length], read)
                torch.argmax(scores, out=text[length])
                read, unread, length = read + unread, 1, length + 1
        return text[len(prompt) :].numpy()


class TorchCompiledGenerator(TorchGenerator):
    """The same with the pass of one token compiled: its cache has the context's full length, so shapes never change."""

    def __init__(self, model: ModelConfig, weights: Arrays, threads: int) -> None:
        super().__init__(model, weights, threads)
        self._read_one = torch.compile(self._read, dynamic=False, fullgraph=True)

    def extend(self, tokens: Tensor, start: int) -> Tensor:
        if len(tokens) > 1:
            return super().extend(tokens, start)
        context, place = self.model.context_length, torch.tensor([start])
        return self._read_one(tokens, place, context, torch.arange(context)[None] <= place)


def make_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make a generator of PyTorch eager on all cores."""
    return TorchGenerator(model, weights, available_cores()).run


def make_one_thread_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make a generator on one thread: at batch 1 a product can be too small to divide."""
    return TorchGenerator(model, weights, 1).run


def make_compiled_generator(model: ModelConfig, weights: Arrays) -> Generator:
    """Make a generator whose pass of one token is compiled, on all cores."""
    return TorchCompiledGenerator(model, weights, available_cores()).run
