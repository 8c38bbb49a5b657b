"""The roofline of a training step: its matrix products alone, at the best rate that the libraries at hand reach.

The rest of a step (norms, GELU, softmax, loss, clipping, AdamW) can at best overlap with them. For N = B·T rows,
forward, ∂loss/∂input and ∂loss/∂weight of a projection D → K are

    (N, D)·(D, K)      (N, K)·(K, D)      (D, N)·(N, K)

and attention takes six products per head and sequence: scores and mix, then two for the gradients of each. Half of
their work is above the diagonal and not needed. The roofline multiplies only (T + 1) / 2T of the B·H heads, the causal
half, so that it is a limit for an engine that skips the upper half too.

A pass takes every product as often as a step does. Which way is fastest depends on the processor and the shapes, so a
variant's options name the way, and the fastest variant in its best round is the roofline:

    whole    one product after another, each divided by the library among all threads
    shared   each thread multiplies its part of the tokens at the same time, with the library on one thread
    mkl      PyTorch's MKL (overridden on AMD processors) instead of NumPy's OpenBLAS
    cold     each of a step's equal products has its own buffers, up to ``_COLD_BYTES``; otherwise they share one set

An operand may be stored as it is used or transposed: in a model, x·W, dy·Wᵀ and xᵀ·dy are of the layouts NN, NT and
TN. Every product is tried in all three, and the fastest is taken.

The result is the rate that these libraries achieve here, and no bound: another library may multiply faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from bench.arms.registry import COLD, MKL, SHARED
from bench.arms.step_work import Product, step_products
from tinygpt.config import ModelConfig

_COLD_BYTES = 64 * 2**20  # of operands that are used in turn, more than the caches hold
_TRIALS = 4  # of a product in each layout


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
    """Multiplies a list of products on its own buffers, as often as a step does.

    Args:
        products: of a step, or of a thread's part of it.
        options: of the roofline's variant.
    """

    def __init__(self, products: Sequence[Product], options: Collection[str] = ()) -> None:
        rng = np.random.default_rng(0)
        self._calls = [min((_calls(p, *layout, rng, options) for layout in LAYOUTS), key=_seconds) for p in products]

    def run(self) -> None:
        """Make one pass."""
        for calls in self._calls:
            for call in calls:
                call()


# Whether the left and the right operand are stored transposed: NN, NT, TN.
LAYOUTS = ((False, False), (False, True), (True, False))

_Calls = list[Callable[[], object]]


def _calls(
    product: Product, left_turned: bool, right_turned: bool, rng: np.random.Generator, options: Collection[str]
) -> _Calls:
    """Return the calls of one product in a step, in one layout."""
    # Here, because it imports the engine, which must not count in other engines' memory.
    from tinygpt.engines.vectorized.slab import Slab

    # Huge pages, as in the engine: a slower roofline would make the engine look closer to it.
    slab = Slab()

    def filled(rows: int, columns: int, turned: bool) -> np.ndarray:
        array = slab.empty(product.batch, *((columns, rows) if turned else (rows, columns)))
        rng.standard_normal(dtype=np.float32, out=array)
        return array.swapaxes(1, 2) if turned else array

    def call() -> Callable[[], object]:
        left = filled(product.rows, product.inner, left_turned)
        right = filled(product.inner, product.columns, right_turned)
        out = slab.empty(product.batch, product.rows, product.columns)
        if product.batch == 1:  # drop the batch axis, over which NumPy would loop
            left, right, out = left[0], right[0], out[0]
        if MKL not in options:
            return partial(np.matmul, left, right, out=out)
        import torch

        return partial(torch.matmul, *map(torch.from_numpy, (left, right)), out=torch.from_numpy(out))

    numbers = product.rows * product.inner + product.inner * product.columns + product.rows * product.columns
    sets = 1 if COLD not in options else min(product.count, -(-_COLD_BYTES // (4 * product.batch * numbers)))
    distinct = [call() for _ in range(sets)]
    return [distinct[number % sets] for number in range(product.count)]


def _seconds(calls: _Calls) -> float:
    """Return the shortest time of a call."""
    times = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        calls[0]()
        times.append(time.perf_counter() - start)
    return min(times)


@contextmanager
def roofline_pass(
    model: ModelConfig, batch_size: int, options: Collection[str], threads: int
) -> Iterator[Callable[[], None]]:
    """Give a function that makes one pass and returns when every thread is done.

    Args:
        batch_size: B.
        options: of one of ``ROOFLINE_VARIANTS``.
        threads: number of threads; inside the ``with``, the library has as many, or one in each if they share the work.
    """
    library_threads, parts = (1, threads) if SHARED in options else (threads, 1)
    if MKL in options:  # linked into PyTorch, where threadpoolctl does not see it
        import torch

        torch.set_num_threads(library_threads)
    with threadpool_limits(library_threads, user_api="blas"), ThreadPoolExecutor(max_workers=parts) as pool:
        first, *others = [ProductRunner(part, options) for part in share(step_products(model, batch_size), parts)]

        def run() -> None:
            waiting = [pool.submit(runner.run) for runner in others]
            first.run()
            for done in waiting:
                done.result()

        yield run
