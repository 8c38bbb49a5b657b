"""The kernels of a training step on a GPU, by kind: CUPTI's record of every kernel that a step ran.

PyTorch's profiler reads that record for the whole process, so that one command sees the kernels of JAX and of PyTorch,
also inside CUDA graphs. What a step takes beyond the sum of its kernels are the gaps between them
(``bench.statistics.device_steps``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

from bench.arms.kernel_parts import kind_of_kernel

# Kind of kernel → seconds of a step, and kernels of a step.
KernelTimes = Mapping[str, tuple[float, float]]


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
    found: dict[str, tuple[float, float]] = {}
    for event in recorded.events():
        if event.device_type.name == "CUDA":
            kind = kind_of_kernel(event.name)
            seconds, number = found.get(kind, (0.0, 0.0))
            found[kind] = seconds + event.device_time * 1e-6 / n_steps, number + 1 / n_steps
    return found
