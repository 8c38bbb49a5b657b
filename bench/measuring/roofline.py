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

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from bench.arms.step_work import Product, step_products
from tinygpt.config import ModelConfig


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
