"""What one training step does, counted and not measured: array operations, FLOPs, bytes.

FLOPs. A product of (N, I) with (I, O) takes 2 N I O. With N = B·T tokens in a batch, a forward pass holds, per block,

    c_attn   2 N · D · 3D        q kᵀ   2 N · T · D    (B·H products of (T, C) with (C, T); C·H = D)
    c_proj   2 N · D · D         P v    2 N · T · D
    c_fc     2 N · D · 4D
    mlp      2 N · 4D · D        together N (24 D² + 4 T D)

and the head 2 N V D. The backward of a product is two products of the same size, so a step takes three forwards:

    FLOPs = 3 N (L (24 D² + 4 s T D) + 2 V D)

s is the share of the (T, T) scores that is computed: 1, or (T + 1) / 2T where what the causal mask hides is never
visited. Element-wise work is not counted as FLOPs; it is what the bytes stand for.

Bytes. Between the products, arrays are read and written over and over. Per block these are about so many passes over
activations of N·D numbers and over B·H·T² attention weights; then over N·V logits and over the P parameters (gradient,
norm, clipping, AdamW). How many passes depends on how an engine is written (``TRAFFIC``: counted from the code, a
pass being one read or one write of the array). The fitted bandwidth absorbs a common factor; what the
counts have to get right are the proportions.

Calls. Every operation on an array costs its dispatch, whatever the array's size: so many per block, so many outside.
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
    """The work of one training step.

    Attributes:
        calls: operations on arrays, whatever their size.
        flops: floating-point operations of the matrix products.
        bytes: read and written between the products.
    """

    calls: float
    flops: float
    bytes: float


@dataclass(frozen=True)
class Traffic:
    """How an engine goes about a step; passes are reads plus writes of a whole array.

    Attributes:
        block: passes over (N, D) per block.
        attention: passes over (B·H, T, T) per block.
        logits: passes over (N, V).
        parameters: passes over all parameters.
        calls_per_block: array operations per block, the optimiser's included.
        calls_outside: array operations outside the blocks.
        causal: whether the products skip what the causal mask hides.
    """

    block: float
    attention: float
    logits: float
    parameters: float
    calls_per_block: float
    calls_outside: float
    causal: bool = False


# numpy: every operator of layers.py and optim.py, its reads and its write, GELU alone 54 passes over (N, 4 D).
# vectorized: chains stay in tiles, so an array is written and read about once in each direction; a weight's gradients
# are summed, squared and, where a norm is folded into it, unfolded, and the weight is folded anew (16). python: as
# numpy, with the masked half of the attention never visited.
TRAFFIC = MappingProxyType(
    {
        "python": Traffic(385, 16, 26, 48, 320, 110, causal=True),
        "numpy": Traffic(385, 31, 26, 48, 320, 110),
        "vectorized": Traffic(63, 6, 8, 16, 115, 45),
    }
)
_OTHER = TRAFFIC["vectorized"]


def step_work(engine: str, model: ModelConfig, train: TrainConfig) -> Work:
    """Count one training step.

    Args:
        engine: name without options; one that is not in ``TRAFFIC`` is counted like a fused engine.
        model: the model's shape.
        train: gives the batch.
    """
    how = TRAFFIC.get(engine, _OTHER)
    layers, d, t, v = model.n_layers, model.d_model, model.context_length, model.vocab_size
    n = train.batch_size * t
    visible = (t + 1) / (2 * t) if how.causal else 1.0
    scores = train.batch_size * model.n_heads * t * t
    numbers = (
        layers * (how.block * n * d + how.attention * scores) + how.logits * n * v + how.parameters * model.n_parameters
    )
    return Work(
        calls=layers * how.calls_per_block + how.calls_outside,
        flops=3.0 * n * (layers * (24 * d * d + 4 * visible * t * d) + 2 * v * d),
        bytes=FLOAT32_BYTES * numbers,
    )


@dataclass(frozen=True)
class Product:
    """A matrix product of a training step, (batch, rows, inner) · (batch, inner, columns).

    Attributes:
        name: of the layer, and of the pass it belongs to.
        batch: products of this shape that are made in one call.
        rows: of the result.
        inner: summed over.
        columns: of the result.
        count: how many such calls a step makes.
        tokens: which of ``batch``, ``rows`` and ``inner`` runs over the step's tokens, and can be shared out.
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
        """Multiplications and additions of all its calls in a step."""
        return 2 * self.count * self.batch * self.rows * self.inner * self.columns


def step_products(model: ModelConfig, batch_size: int) -> tuple[Product, ...]:
    """Every matrix product of one training step, forward first, at B = ``batch_size`` and the full context."""
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
    """Floating-point operations of a step's products."""
    return sum(product.flops for product in products)
