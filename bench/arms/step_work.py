"""The work of one training step, counted from the shapes: array operations, FLOPs, bytes.

FLOPs. A product of (N, I) with (I, O) takes 2 N I O. With N = B·T tokens in a batch, a forward pass holds, per block,

    c_attn   2 N · D · 3D        q kᵀ   2 N · T · D    (B·H products of (T, C) with (C, T); C·H = D)
    c_proj   2 N · D · D         P v    2 N · T · D
    c_fc     2 N · D · 4D
    mlp      2 N · 4D · D        together N (24 D² + 4 T D)

and the head 2 N V D. The backward of a product is two products of the same size, so a step takes three forwards:

    FLOPs = 3 N (L (24 D² + 4 s T D) + 2 V D)

s is the share of the (T, T) scores that is computed: 1, or (T + 1) / 2T if the masked half is skipped. Element-wise
work is not counted in FLOPs but in bytes.

Bytes. Between the products, an engine makes passes (one read or one write of an array): in each block over activations
of N·D numbers and over B·H·T² attention weights, then over N·V logits and over the P parameters (gradient, norm,
clipping, AdamW). ``TRAFFIC`` has their numbers, counted in each engine's code. The fitted bandwidth absorbs a common
factor, so only the proportions matter.

Calls. Every operation on an array costs its dispatch, independent of the array's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from tinygpt.config import ModelConfig, TrainConfig

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class Work:
    """One training step: array operations, FLOPs of the products, and bytes read and written between them."""

    calls: float
    flops: float
    bytes: float


@dataclass(frozen=True)
class Traffic:
    """An engine's passes (reads plus writes of a whole array) and array operations in a step.

    Attributes:
        block: passes over (N, D) per block.
        attention: passes over (B·H, T, T) per block.
        logits: passes over (N, V).
        parameters: passes over all parameters.
        calls_per_block: array operations per block, including the optimiser's.
        calls_outside: array operations outside the blocks.
        causal: the products skip the masked half.
    """

    block: float
    attention: float
    logits: float
    parameters: float
    calls_per_block: float
    calls_outside: float
    causal: bool = False


# numpy: the reads and the write of every operator in layers.py and optim.py; GELU alone takes 54 passes over (N, 4 D).
# vectorized: chains stay in tiles, so that an array is written and read about once in each direction. A weight's
# gradients are summed and squared; where a norm is folded into the weight, they are unfolded and it is folded again
# (16). python: as numpy, without the masked half of the attention.
TRAFFIC = MappingProxyType(
    {
        "python": Traffic(385, 16, 26, 48, 320, 110, causal=True),
        "numpy": Traffic(385, 31, 26, 48, 320, 110),
        "vectorized": Traffic(63, 6, 8, 16, 115, 45),
    }
)


def step_work(engine: str, model: ModelConfig, train: TrainConfig) -> Work:
    """Count one training step; an engine that is not in ``TRAFFIC`` counts as a fused one."""
    traffic = TRAFFIC.get(engine, TRAFFIC["vectorized"])
    layers, d, t, v = model.n_layers, model.d_model, model.context_length, model.vocab_size
    n = train.batch_size * t
    visible = (t + 1) / (2 * t) if traffic.causal else 1.0
    scores = train.batch_size * model.n_heads * t * t
    numbers = layers * (traffic.block * n * d + traffic.attention * scores)
    numbers += traffic.logits * n * v + traffic.parameters * model.n_parameters
    return Work(
        calls=layers * traffic.calls_per_block + traffic.calls_outside,
        flops=3.0 * n * (layers * (24 * d * d + 4 * visible * t * d) + 2 * v * d),
        bytes=FLOAT32_BYTES * numbers,
    )


@dataclass(frozen=True)
class Product:
    """A matrix product of a training step, (batch, rows, inner) · (batch, inner, columns).

    Attributes:
        name: layer and pass.
        count: calls in a step.
        tokens: the axis of the step's tokens, which can be divided among threads: ``batch``, ``rows`` or ``inner``.
    """

    name: str
    batch: int
    rows: int
    inner: int
    columns: int
    count: int
    tokens: str

    @property
    def flops(self) -> int:
        """FLOPs of all its calls in a step."""
        return 2 * self.count * self.batch * self.rows * self.inner * self.columns


def step_products(model: ModelConfig, batch_size: int) -> tuple[Product, ...]:
    """Return the matrix products of one training step, forward first, at the full context."""
    n, d, f, t = batch_size * model.context_length, model.d_model, model.d_hidden, model.context_length
    layers, c = model.n_layers, model.head_dim
    projections = (
        ("attn.c_attn", d, 3 * d, layers),
        ("attn.c_proj", d, d, layers),
        ("mlp.c_fc", d, f, layers),
        ("mlp.c_proj", f, d, layers),
        ("head", d, model.vocab_size, 1),
    )
    products = [
        Product(f"{name} forward", 1, n, inner, outer, count, "rows") for name, inner, outer, count in projections
    ]
    products += [Product(f"{name} dx", 1, n, outer, inner, count, "rows") for name, inner, outer, count in projections]
    products += [Product(f"{name} dw", 1, inner, n, outer, count, "inner") for name, inner, outer, count in projections]
    heads = math.ceil(batch_size * model.n_heads * (t + 1) / (2 * t))
    products += [
        Product(f"attention {name}", heads, t, c, t, layers, "batch") for name in ("scores forward", "weights dx")
    ]
    products += [
        Product(f"attention {name}", heads, t, t, c, layers, "batch")
        for name in ("mix forward", "v dx", "q dx", "k dx")
    ]
    return tuple(products)


def total_flops(products: Iterable[Product]) -> int:
    """Return the FLOPs of a step's products."""
    return sum(product.flops for product in products)
