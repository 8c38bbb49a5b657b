"""The kernels of a training step on a GPU, by kind: CUPTI's record of every kernel that a step ran.

PyTorch's profiler reads that record for the whole process, so that one command sees the kernels of JAX and of PyTorch,
also inside CUDA graphs. Kernels that run at the same time share it equally, so that all kinds together take the time
in which the GPU computes. What a step takes beyond that are the gaps (``bench.statistics.device_steps``). Beside them,
a large product is timed: the card's peak in the variant's arithmetic.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from statistics import median

from bench.arms.kernel_parts import PEAK_SIZE, kind_of_kernel
from bench.arms.registry import BFLOAT16, TF32

# Kind of kernel → seconds of a step, and kernels of a step.
KernelTimes = Mapping[str, tuple[float, float]]

# Blocks of products, each with one wait for the device at its end; another one first warms up.
_PEAK_BLOCKS, _PEAK_PRODUCTS = 3, 10


def can_record() -> bool:
    """Return whether PyTorch is installed and sees a GPU."""
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def kernels_of_step(run: Callable[[], object], n_steps: int) -> KernelTimes:
    """Record the kernels of a call that takes steps; return each kind's seconds and number, for one step."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        run()
        torch.cuda.synchronize()
    spans = [
        (kind_of_kernel(event.name), event.time_range.start, event.time_range.end)
        for event in recorded.events()
        if event.device_type.name == "CUDA"
    ]
    numbers = Counter(kind for kind, _, _ in spans)
    return {
        kind: (microseconds * 1e-6 / n_steps, numbers[kind] / n_steps) for kind, microseconds in shared(spans).items()
    }


def shared(spans: Iterable[tuple[str, float, float]]) -> dict[str, float]:
    """Return the time of each kind from spans (kind, start, end), which share the time in which several run."""
    marks = [(moment, change, kind) for kind, *ends in spans for moment, change in zip(ends, (1, -1), strict=True)]
    running: Counter[str] = Counter()
    times: dict[str, float] = defaultdict(float)
    before = 0.0
    for moment, change, kind in sorted(marks):
        for name, count in running.items():
            if count:
                times[name] += (moment - before) * count / running.total()
        running[kind] += change
        before = moment
    return dict(times)


def peak_seconds(precision: str, device: str = "cuda", size: int = PEAK_SIZE) -> float:
    """Return the seconds of a product of two square matrices of random numbers, the median of a few blocks.

    Args:
        precision: an arithmetic of the peers.
        device: PyTorch's name of the device.
        size: rows and columns.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = precision == TF32
    dtype = torch.bfloat16 if precision == BFLOAT16 else torch.float32
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(1 + _PEAK_BLOCKS):
        start = time.perf_counter()
        for _ in range(_PEAK_PRODUCTS):
            product = torch.matmul(left, right)
        product[0, 0].item()  # waits for the device
        seconds.append((time.perf_counter() - start) / _PEAK_PRODUCTS)
    return median(seconds[1:])
