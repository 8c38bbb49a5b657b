"""The roofline of a training step: its matrix products alone, at the rate that NumPy's sgemm reaches on their shapes.

The rest of a step (norms, GELU, softmax, loss, clipping, AdamW) can at best overlap with them. For N = B·T rows,
forward, ∂loss/∂input and ∂loss/∂weight of a projection D → K are

    (N, D)·(D, K)      (N, K)·(K, D)      (D, N)·(N, K)

and attention takes six products per head and sequence: scores and mix, then two for the gradients of each. Half of
their work is above the diagonal and not needed. The roofline multiplies only (T + 1) / 2T of the B·H heads, the causal
half, so that it is a bound for an engine that skips the upper half too.

A pass takes every product as often as a step does, on warm buffers. It is timed in two arrangements; which is faster
depends on the shapes, and the faster one is the roofline:

    whole    one product after another, each divided by BLAS among all threads
    shared   each thread multiplies its part of the tokens, with BLAS on one thread
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from bench.arms.step_work import Product, step_products
from tinygpt.config import ModelConfig


def share(products: Iterable[Product], parts: int) -> list[list[Product]]:
    """Divide a step's tokens among threads; return the products of each.

    Sizes differ by at most one. A part of size 0 is left out.
    """
    shares: list[list[Product]] = [[] for _ in range(parts)]
    for product in products:
        size = getattr(product, product.tokens)
        for index, own in enumerate(shares):
            length = size * (index + 1) // parts - size * index // parts
            if length:
                own.append(replace(product, **{product.tokens: length}))
    return shares


class ProductRunner:
    """Multiplies a list of products on its own buffers, as often as a step does."""

    def __init__(self, products: Sequence[Product]) -> None:
        # Here, because it imports the engine, which must not count in other engines' memory.
        from tinygpt.engines.vectorized.slab import Slab

        rng = np.random.default_rng(0)
        # Huge pages, as in the engine: a slower roofline would make the engine look closer to it.
        slab = Slab()

        def filled(*shape: int) -> np.ndarray:
            return rng.standard_normal(dtype=np.float32, out=slab.empty(*shape))

        self._calls: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        for product in products:
            left = filled(product.batch, product.rows, product.inner)
            right = filled(product.batch, product.inner, product.columns)
            out = slab.empty(product.batch, product.rows, product.columns)
            if product.batch == 1:  # drop the batch axis, over which NumPy would loop
                left, right, out = left[0], right[0], out[0]
            self._calls.append((product.count, left, right, out))

    def run(self) -> None:
        """Make one pass."""
        for count, left, right, out in self._calls:
            for _ in range(count):
                np.matmul(left, right, out=out)


class RooflinePass:
    """A step's products in one arrangement; entering it sets the number of BLAS threads.

    Args:
        model: the model's shape.
        batch_size: B.
        arrangement: one of ``ARRANGEMENTS``.
        threads: number of threads.
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
        """Make one pass; return when every thread is done."""
        first, *others = self._runners
        waiting = [self._pool.submit(runner.run) for runner in others]
        first.run()
        for done in waiting:
            done.result()
