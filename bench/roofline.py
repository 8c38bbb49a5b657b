"""The roofline of a training step: its matrix products alone, at the rate that NumPy's sgemm reaches on their shapes.

Everything else in a step (norms, GELU, softmax, loss, clipping, AdamW) can at best hide behind these. For N = B·T rows,
forward, ∂loss/∂input and ∂loss/∂weight of a projection D → K are

    (N, D)·(D, K)      (N, K)·(K, D)      (D, N)·(N, K)

and attention multiplies six times per head and sequence: scores and mix, then two for the gradients of each. Half of
those products lies above the diagonal and is not needed; the roofline multiplies only as many (B·H)-th parts as the
causal half amounts to, (T + 1) / 2T of them, so that an engine which skips the upper half still finds it demanding.

A pass takes every product as often as a step does, on buffers that are warm. It is timed in two arrangements, because
which is faster depends on the shapes; the faster of the two is the roofline:

    whole    one product after another, each shared out by BLAS over all threads
    shared   every thread has its part of the tokens and multiplies on its own, BLAS held to one thread
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from tinygpt.config import ModelConfig

ROOFLINE = "roofline"
ARRANGEMENTS = ("whole", "shared")


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


def share(products: Iterable[Product], parts: int) -> list[list[Product]]:
    """Share a step's tokens out: the products that each of ``parts`` threads makes.

    Sizes differ by at most one where they do not divide; a part that gets nothing of a product goes without it.
    """
    shares: list[list[Product]] = [[] for _ in range(parts)]
    for product in products:
        size = getattr(product, product.tokens)
        for index, mine in enumerate(shares):
            length = size * (index + 1) // parts - size * index // parts
            if length:
                mine.append(replace(product, **{product.tokens: length}))
    return shares


class ProductRunner:
    """Makes a list of products on buffers of its own, as often as a step does."""

    def __init__(self, products: Sequence[Product]) -> None:
        # Here, because it imports the engine, which other engines' memory should not have to hold.
        from tinygpt.engines.vectorized.slab import Slab

        rng = np.random.default_rng(0)
        # On huge pages, as the engine's own buffers are: a slower roofline would flatter the engine's share of it.
        slab = Slab()

        def filled(*shape: int) -> np.ndarray:
            return rng.standard_normal(dtype=np.float32, out=slab.empty(*shape))

        self._calls: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        for product in products:
            left = filled(product.batch, product.rows, product.inner)
            right = filled(product.batch, product.inner, product.columns)
            out = slab.empty(product.batch, product.rows, product.columns)
            if product.batch == 1:  # without the batch axis, which NumPy would loop over
                left, right, out = left[0], right[0], out[0]
            self._calls.append((product.count, left, right, out))

    def run(self) -> None:
        """One pass."""
        for count, left, right, out in self._calls:
            for _ in range(count):
                np.matmul(left, right, out=out)


class RooflinePass:
    """A step's products in one arrangement, ready to be timed inside a ``with`` that sets BLAS's threads.

    Args:
        model: the model's shape.
        batch_size: B.
        arrangement: one of ``ARRANGEMENTS``.
        threads: that may be used.
    """

    def __init__(self, model: ModelConfig, batch_size: int, arrangement: str, threads: int) -> None:
        shared = arrangement == "shared"
        products = step_products(model, batch_size)
        self._runners = [ProductRunner(part) for part in share(products, threads if shared else 1)]
        self._blas_threads = 1 if shared else threads
        self._pool = ThreadPoolExecutor(max_workers=len(self._runners))

    def __enter__(self) -> RooflinePass:
        self._limits = threadpool_limits(self._blas_threads, user_api="blas")
        return self

    def __exit__(self, *exception: object) -> None:
        self._limits.restore_original_limits()
        self._pool.shutdown()

    def run(self) -> None:
        """One pass; returns when every thread is done."""
        first, *others = self._runners
        waiting = [self._pool.submit(runner.run) for runner in others]
        first.run()
        for done in waiting:
            done.result()
