"""A signal on its way through many branches, and the gradient on its way back.

The layers are those of ``tinygpt.learn.gpt``. The stream x and its gradient dx are kept before the first branch,
between two branches and after the last, so a model of L blocks gives 2 L + 1 of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from tinygpt.config import ModelConfig
from tinygpt.gallery import load_gallery_model
from tinygpt.learn import gpt
from tinygpt.params import Arrays, initial_parameters

LINES = b"ROMEO:\nBut soft, what light through yonder window breaks?\nIt is the east, and Juliet is the sun."
DEEP = ModelConfig(n_layers=12, d_model=64, n_heads=4, context_length=32)  # 24 branches
_ROWS = 2
_SEED = 0


@dataclass(frozen=True)
class Walk:
    """A forward and a backward pass.

    Attributes:
        loss: nats per byte.
        stream: x at each depth, (B, T, D).
        gradient: ∂loss/∂x at each depth.
        added: what each branch sent back: ∂loss/∂x through the branch alone, one fewer than depths.
    """

    loss: float
    stream: Sequence[np.ndarray]
    gradient: Sequence[np.ndarray]
    added: Sequence[np.ndarray]


def walk(model: ModelConfig, weights: Arrays, tokens: np.ndarray, residual: bool = True, norms: bool = True) -> Walk:
    """Go through a model and back.

    Args:
        model: shape of the model.
        weights: its weights, under the names of ``tinygpt.params``.
        tokens: (B, T + 1) ids: inputs, and targets one place further.
        residual: each branch is added to the stream; otherwise it replaces the stream.
        norms: each branch begins with its layer norm.
    """
    unused = {name: np.zeros_like(value) for name, value in weights.items()}  # the weights' gradients
    x = weights["wte.weight"][tokens[:, :-1]] + weights["wpe.weight"][: tokens.shape[1] - 1]
    stream, backs = [x], []
    for layer in range(model.n_layers):
        attend = ("ln_1", "attn.c_attn", partial(gpt.attention, model.n_heads), "attn.c_proj")
        for norm, first, middle, last in (attend, ("ln_2", "mlp.c_fc", gpt.gelu, "mlp.c_proj")):
            layers: list[gpt.Layer] = [
                partial(gpt.linear, weights, unused, f"h.{layer}.{name}") for name in (first, last)
            ]
            layers.insert(1, middle)
            if norms:
                layers.insert(0, partial(gpt.layer_norm, weights, unused, f"h.{layer}.{norm}"))
            y, back = _chain(layers, x)
            x = x + y if residual else y
            stream.append(x)
            backs.append(back)
    final, back_norm = gpt.layer_norm(weights, unused, "ln_f", x)
    loss, dlogits = gpt.cross_entropy(final @ weights["wte.weight"].T, tokens[:, 1:])
    dx = back_norm(dlogits @ weights["wte.weight"])
    gradient, added = [dx], []
    for back in reversed(backs):
        added.append(back(dx))
        dx = dx + added[-1] if residual else added[-1]
        gradient.append(dx)
    return Walk(loss, stream, gradient[::-1], added[::-1])


def _chain(layers: Sequence[gpt.Layer], x: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    backs = []
    for layer in layers:
        x, back = layer(x)
        backs.append(back)

    def back_all(dy: np.ndarray) -> np.ndarray:
        for back in reversed(backs):
            dy = back(dy)
        return dy

    return x, back_all


# ---- measures of a stream ---------------------------------------------------------------------------------


def deviation(x: np.ndarray) -> float:
    """The root of the mean square of all numbers."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def length(x: np.ndarray) -> float:
    """The Euclidean norm of all numbers."""
    return float(np.sqrt(np.sum(np.square(x, dtype=np.float64))))


def likeness(x: np.ndarray) -> float:
    """The mean cosine between two different positions of a row, x (B, T, D)."""
    units = x / np.linalg.norm(x, axis=-1, keepdims=True)
    cosines = units @ units.swapaxes(-1, -2)  # (B, T, T)
    count = x.shape[1]
    return float((cosines.sum(axis=(-1, -2)) - count).mean() / (count * (count - 1)))


# ---- the walks of the pages -------------------------------------------------------------------------------


def starting_weights(model: ModelConfig, std: float = 0.02, scaled: bool = True) -> Arrays:
    """Starting weights in double precision; without ``scaled``, those that write to the stream are no smaller."""
    weights = {name: value.astype(np.float64) for name, value in initial_parameters(model, _SEED).items()}
    for name, value in weights.items():
        if value.ndim == 2:
            value *= std / 0.02
            if not scaled and name.endswith("c_proj.weight"):
                value *= math.sqrt(2 * model.n_layers)
    return weights


def _some_tokens(model: ModelConfig) -> np.ndarray:
    """Random rows of ``LINES``, (B, T + 1)."""
    text = np.frombuffer(LINES, np.uint8)
    starts = np.random.default_rng(_SEED).integers(len(text) - model.context_length, size=_ROWS)
    return text[starts[:, None] + np.arange(model.context_length + 1)]


@lru_cache
def untrained(
    residual: bool = True, norms: bool = True, std: float = 0.02, scaled: bool = True, width: int = DEEP.d_model
) -> Walk:
    """Walk through the deep model with its starting weights."""
    model = ModelConfig(DEEP.n_layers, width, DEEP.n_heads, DEEP.context_length)
    return walk(model, starting_weights(model, std, scaled), _some_tokens(model), residual, norms)


@lru_cache
def trained() -> Walk:
    """Walk through the gallery's model of Shakespeare's bytes, over two lines of a play."""
    model = load_gallery_model("shakespeare-bytes")
    text = np.frombuffer(LINES[: model.config.context_length + 1], np.uint8)
    return walk(model.config, model.state_dict(), text[None])
