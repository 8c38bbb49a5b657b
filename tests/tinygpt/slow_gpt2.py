"""GPT-2 from its definition, to test generation: one position and one head at a time, in float64, without a cache."""

from __future__ import annotations

import math

import numpy as np

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.params import initial_parameters

MODEL = ModelConfig(n_layers=2, d_model=12, n_heads=3, context_length=16)


def random_model(spread: float = 0.3, config: ModelConfig = MODEL) -> Checkpoint:
    """Make weights, biases and gains larger than at initialisation, so that the scores depend on the tokens."""
    rng = np.random.default_rng(3)
    weights = {
        name: array + np.float32(spread) * rng.standard_normal(array.shape, np.float32)
        for name, array in initial_parameters(config, 0).items()
    }
    return Checkpoint(config, TrainConfig(batch_size=1), weights)


def slow_logits(model: Checkpoint, tokens: list[int]) -> np.ndarray:
    """(n,) ids → (n, V), from the definition."""
    w = {name: array.astype(np.float64) for name, array in model.weights.items()}
    c = MODEL.head_dim

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return (x - x.mean()) / math.sqrt(x.var() + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]

    xs = [w["wte.weight"][token] + w["wpe.weight"][position] for position, token in enumerate(tokens)]
    for layer in range(MODEL.n_layers):
        h = f"h.{layer}"
        qkv = [norm(x, f"{h}.ln_1") @ w[f"{h}.attn.c_attn.weight"] + w[f"{h}.attn.c_attn.bias"] for x in xs]
        for i in reversed(range(len(xs))):
            mixed = []
            for head in range(MODEL.n_heads):
                q, k, v = (
                    slice(part * MODEL.d_model + head * c, part * MODEL.d_model + (head + 1) * c) for part in range(3)
                )
                weights = np.array([math.exp(qkv[i][q] @ qkv[j][k] / math.sqrt(c)) for j in range(i + 1)])
                mixed.append(sum(p * qkv[j][v] for j, p in enumerate(weights / weights.sum())))
            xs[i] = xs[i] + np.concatenate(mixed) @ w[f"{h}.attn.c_proj.weight"] + w[f"{h}.attn.c_proj.bias"]
        for i, x in enumerate(xs):
            u = norm(x, f"{h}.ln_2") @ w[f"{h}.mlp.c_fc.weight"] + w[f"{h}.mlp.c_fc.bias"]
            u = 0.5 * u * (1 + np.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
            xs[i] = x + u @ w[f"{h}.mlp.c_proj.weight"] + w[f"{h}.mlp.c_proj.bias"]
    return np.array([norm(x, "ln_f") @ w["wte.weight"].T for x in xs])


def slow_greedy(model: Checkpoint, prompt: bytes, n_tokens: int) -> list[int]:
    """Slide as documented: fill the window, then keep its last half and continue."""
    window, out = list(prompt), []
    for _ in range(n_tokens):
        if len(window) > MODEL.context_length:
            window = window[-(MODEL.context_length // 2) :]
        out.append(int(slow_logits(model, window)[-1].argmax()))
        window.append(out[-1])
    return out
