"""GPT-2 as a PyTorch user would write it: modules, ``nn.Linear``, fused attention, the head tied to the embedding.

    x = wte(tokens) + wpe(positions);  x = x + attn(ln_1(x));  x = x + mlp(ln_2(x));  logits = ln_f(x) · wteᵀ

Parameter names are Hugging Face's. ``nn.Linear`` stores (out, in), the files (in, out), so the projections are
transposed on their way in and out: :func:`to_module` and :func:`from_module`.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tinygpt.config import ModelConfig


class Attention(nn.Module):
    """Causal self-attention, (B, T, D) → (B, T, D)."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.n_heads = model.n_heads
        self.c_attn = nn.Linear(model.d_model, 3 * model.d_model)
        self.c_proj = nn.Linear(model.d_model, model.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Attend at all positions."""
        b, t, d = x.shape
        q, k, v = (part.view(b, t, self.n_heads, -1).transpose(1, 2) for part in self.c_attn(x).split(d, dim=2))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, C)
        return self.c_proj(mixed.transpose(1, 2).reshape(b, t, d))


class FeedForward(nn.Module):
    """Two projections with the tanh GELU between them, (B, T, D) → (B, T, D)."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(model.d_model, model.d_hidden)
        self.c_proj = nn.Linear(model.d_hidden, model.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to each position."""
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    """A pre-LayerNorm transformer block."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(model.d_model, eps=model.layer_norm_eps)
        self.attn = Attention(model)
        self.ln_2 = nn.LayerNorm(model.d_model, eps=model.layer_norm_eps)
        self.mlp = FeedForward(model)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, D) → (B, T, D)."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class TorchGPT2(nn.Module):
    """The whole model, with the layers' own random weights until others are loaded."""

    def __init__(self, model: ModelConfig) -> None:
        super().__init__()
        self.config = model
        self.wte = nn.Embedding(model.vocab_size, model.d_model)
        self.wpe = nn.Embedding(model.context_length, model.d_model)
        self.h = nn.ModuleList(Block(model) for _ in range(model.n_layers))
        self.ln_f = nn.LayerNorm(model.d_model, eps=model.layer_norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map token ids (B, T) → scores (B, T, V)."""
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats per token, a scalar."""
        return F.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())


def is_projection(name: str) -> bool:
    """Return whether a parameter is stored transposed: the weights of the four ``nn.Linear`` of a block."""
    return ".c_" in name and name.endswith(".weight")


def to_module(name: str, value: np.ndarray) -> Tensor:
    """Copy a parameter from the project's layout into a tensor of the module's."""
    array = value.T if is_projection(name) else value
    return torch.tensor(np.ascontiguousarray(array, np.float32))


def from_module(name: str, value: Tensor) -> np.ndarray:
    """Return a parameter, gradient or moment in the project's layout: a view, or a copy if it is on a GPU."""
    array: np.ndarray = value.detach().cpu().numpy()
    return array.T if is_projection(name) else array
