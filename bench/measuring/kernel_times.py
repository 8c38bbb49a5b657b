"""The parts of a training step of ``vectorized``, and the times of each fused kernel in its forms.

Parts of a step.  The engine runs as usual, with its workers; only the functions that do a part's work are wrapped. A
wrapper switches its thread's stopwatch to the part, and back when the function ends. So every moment of a worker's
phase belongs to one part, and nested calls are not counted twice. The rest of the step's wall time (waiting for other
workers, starting phases, the interpreter between functions) is the last part, ``dispatch``. So the parts of each worker
add up to the wall time by definition.

A product is a ``matmul`` whose result has more than one column. One with a single column is a sum over rows and counts
in the part around it. Sums outside the functions count in the surrounding function's part: the residual sums in
``normalisation``, the product with GELU's derivative in ``activation``.

Wrapping costs about a microsecond per call. The same steps are first timed without it in the same process, which gives
the total cost; both must give the same losses to the bit.

Forms of a kernel.  One call on one tile, as in the engine's own calibration, with operands that were just written
(``cache``), or with operands among so many others that they have left the caches (``memory``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numexpr
import numpy as np
from threadpoolctl import threadpool_limits

from bench.arms.kernel_parts import DISPATCH, PARTS, PLACES
from bench.arms.registry import OURS
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.engines.vectorized import attention, projection, shard
from tinygpt.engines.vectorized.forms import KERNELS, form_of, has_form, installed_forms
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.engines.vectorized.layout import Layout
from tinygpt.engines.vectorized.mailbox import shared_zeros
from tinygpt.engines.vectorized.phases import VectorizedPhases
from tinygpt.errors import DivergedError
from tinygpt.system.threads import available_cores

# (owner, name of its function, part). Functions that it calls may belong to other parts.
_FUNCTIONS: tuple[tuple[type, str, str], ...] = (
    (shard.Shard, "embed", "embedding"),
    (shard.Shard, "embed_backward", "embedding"),
    (shard.Shard, "forward", "normalisation"),  # outside its calls: adding branches to the stream
    (shard.Shard, "normalize", "normalisation"),
    (shard.Shard, "normalize_backward", "normalisation"),
    (shard.Shard, "last_norm_backward", "normalisation"),
    (projection.PlainProjection, "forward", "normalisation"),  # outside its product: gain and bias
    (projection.PlainProjection, "backward", "normalisation"),
    (projection.FoldedProjection, "forward", "normalisation"),
    (projection.FoldedProjection, "backward", "normalisation"),
    (shard.Shard, "activate", "activation"),
    (shard.Shard, "forward_backward", "activation"),  # outside its calls: multiplying by GELU's derivative
    (shard.Shard, "head", "loss"),  # outside its products
    (attention.Attention, "forward", "attention"),
    (attention.Attention, "backward", "attention"),
    (VectorizedPhases, "_reduce", "optimiser"),
    (VectorizedPhases, "_update", "optimiser"),
)
# Modules whose products are timed, and the products' part.
_PRODUCTS = ((shard, "product"), (projection, "product"), (attention, "attention product"))

_INDEX = {name: index for index, name in enumerate(PARTS)}
_REST = _INDEX[DISPATCH]


# ---- parts of a step -----------------------------------------------------------------------------------


class Stopwatch(threading.local):
    """One thread's seconds by part; at every moment exactly one part is running."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start from zero, with ``dispatch`` running."""
        self.seconds, self.part, self.since = [0.0] * len(PARTS), _REST, time.perf_counter()

    def switch(self, part: int) -> int:
        """Switch to another part; return the one that ran before."""
        now, before = time.perf_counter(), self.part
        self.seconds[before] += now - self.since
        self.part, self.since = part, now
        return before

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Wrap a function so that its own time counts in a part."""
        index = _INDEX[part]

        def run(*args: Any, **kwargs: Any) -> Any:
            before = self.switch(index)
            try:
                return function(*args, **kwargs)
            finally:
                self.switch(before)

        return run

    def timed_product(self, part: str) -> Callable[..., np.ndarray]:
        """Wrap ``np.matmul`` so that its time counts in a part, unless it is a sum over rows."""
        index, matmul = _INDEX[part], np.matmul

        def product(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
            if a.ndim < 2 or b.ndim < 2 or b.shape[-1] == 1:
                return matmul(a, b, out=out)
            before = self.switch(index)
            result = matmul(a, b, out=out)
            self.switch(before)
            return result

        return product


@contextmanager
def timed_parts(workers: int) -> Iterator[np.ndarray]:
    """Time the parts of all steps of an engine that is made inside the ``with``.

    Yields:
        seconds (workers, parts), which grow at the end of each phase, also in other processes; set them to zero between
        steps. The last column stays zero.
    """
    watch = Stopwatch()
    seconds = shared_zeros(2 * workers * len(PARTS)).view(np.float64).reshape(workers, len(PARTS))
    run_phase = VectorizedPhases.__call__

    def timed_phase(self: VectorizedPhases, phase: int, worker: int) -> None:
        watch.start()
        run_phase(self, phase, worker)
        watch.switch(_REST)
        seconds[worker, :_REST] += watch.seconds[:_REST]

    with ExitStack() as patches:
        patches.enter_context(_replaced(VectorizedPhases, "__call__", timed_phase))
        for owner, name, part in _FUNCTIONS:
            patches.enter_context(_replaced(owner, name, watch.timed(vars(owner)[name], part)))
        for module, part in _PRODUCTS:
            numpy = SimpleNamespace(**{**vars(np), "matmul": watch.timed_product(part)})
            patches.enter_context(_replaced(module, "np", numpy))
        yield seconds


@contextmanager
def _replaced(owner: type | ModuleType, name: str, value: object) -> Iterator[None]:
    """Replace an attribute of a class or module inside the ``with``."""
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@dataclass(frozen=True)
class TimedStep:
    """A step's wall time, its loss, and the seconds of its parts (workers, parts) without ``dispatch``."""

    seconds: float
    loss: float
    parts: np.ndarray


def timed_steps(
    model: ModelConfig, train: TrainConfig, sampler: BatchSampler, count: int, seed: int
) -> list[TimedStep]:
    """Take the first steps of a training with every part timed; the engine has its default options."""
    workers = Layout.of(model, train, available_cores()).workers
    steps = []
    with timed_parts(workers) as seconds:
        engine = create_engine(OURS, model, train, seed=seed)
        for number in range(count):
            batch = sampler.batch(number)
            seconds[:] = 0.0
            start = time.perf_counter()
            result = engine.train_step(batch.inputs, batch.targets)
            wall = time.perf_counter() - start
            steps.append(TimedStep(wall, float(result.loss), seconds.copy()))
        del engine  # its processes must end before the functions are restored
    return steps


def require_same_losses(plain: list[float], timed: list[float]) -> None:
    """Check that timing the parts changed no loss.

    Raises:
        DivergedError: a loss differs in any bit.
    """
    for step, (a, b) in enumerate(zip(plain, timed, strict=True), 1):
        if a != b:
            raise DivergedError(f"step {step} has loss {a!r}, and {b!r} with its parts timed")


# ---- forms of a kernel ---------------------------------------------------------------------------------

_REPEATS = {"cache": 20, "memory": 3}
_WARMUP = {"cache": 3, "memory": 0}
_FAR_BYTES = 64 * 2**20  # of operands that are used in turn, more than the caches hold
_TILE_BYTES = 4 * 4 * TILE  # about four operands of four bytes per number


@dataclass(frozen=True)
class FormTiming:
    """One timing of a kernel.

    Attributes:
        place: of the operands, ``cache`` or ``memory``.
        repeat: counted from 1, warm-ups included.
        seconds: one call on one tile; from memory, the mean over the tiles of a pass.
        elements: numbers in a tile.
    """

    kernel: str
    form: str
    place: str
    repeat: int
    is_warmup: bool
    seconds: float
    elements: int


def form_times(far_bytes: int = _FAR_BYTES) -> Iterator[FormTiming]:
    """Time every kernel in all installed forms, in turns, on one thread; a pass through memory reads ``far_bytes``."""
    numexpr.set_num_threads(1)  # as in the engine, which divides the batch among threads
    rng = np.random.default_rng(0)
    with threadpool_limits(1, user_api="blas"):
        for name in KERNELS:
            forms = [form for form in installed_forms() if has_form(name, form)]
            for place in PLACES:
                for repeat in range(1, _WARMUP[place] + _REPEATS[place] + 1):
                    for form in forms if repeat % 2 else forms[::-1]:
                        seconds = _time_form(name, form, rng, far_bytes if place == "memory" else 0)
                        yield FormTiming(name, form, place, repeat, repeat <= _WARMUP[place], seconds, TILE)


def _time_form(name: str, form: str, rng: np.random.Generator, n_bytes: int) -> float:
    """Return the mean seconds of a call over one pass of at least ``n_bytes`` of tiles."""
    kernel, run = KERNELS[name], form_of(name, form)
    # Fresh operands each time: repeated in-place kernels would drift to infinity.
    drawn = kernel.arguments(lambda size: rng.standard_normal(size, np.float32))
    tiles = [drawn, *(deepcopy(drawn) for _ in range(1, -(-n_bytes // _TILE_BYTES)))]
    start = time.perf_counter()
    for arguments in tiles:
        run(*arguments)
    return (time.perf_counter() - start) / len(tiles)
