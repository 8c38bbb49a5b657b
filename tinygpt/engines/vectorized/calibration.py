"""The choice of each kernel's form: the caller's, or that of a short measurement on this machine.

``auto`` chooses among the forms that every installation has, so that it depends on the machine alone. ``fastest``
chooses among all that are installed.

The cache keeps the times per machine and per versions, so that two runs of a program use the same forms and give the
same bits. Delete ``kernels.json`` in the cache folder to measure again.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numexpr
import numpy as np

from tinygpt.engines.vectorized.forms import (
    INTERPRETED,
    KERNELS,
    NUMBA,
    NUMEXPR,
    NUMPY,
    KernelSet,
    form_of,
    has_form,
    installed_forms,
    read_choice,
    tile_seconds,
    write_choice,
)
from tinygpt.engines.vectorized.kernels import TILE
from tinygpt.system.kept_values import kept_value

AUTO, FASTEST = "auto", "fastest"

# Another form has to be faster than NumPy's by this factor: near a tie, noise would decide.
_MARGIN = 0.9

Seconds = Mapping[str, Mapping[str, float]]  # kernel → form → the time of a tile


def choose_kernels(spec: str = AUTO) -> KernelSet:
    """Resolve ``auto``, ``fastest``, or a choice as text.

    Raises:
        ConfigError: the text is none of these, or names an unknown kernel.
        MissingDependencyError: the choice has compiled kernels, and the extra ``fast`` is not installed.
    """
    chosen = read_choice(calibrated_choice(spec) if spec in (AUTO, FASTEST) else spec)
    if NUMEXPR in chosen.values():
        numexpr.set_num_threads(1)  # the batch is spread over cores, never a kernel
    return KernelSet(write_choice(chosen), **{kernel: form_of(kernel, form) for kernel, form in chosen.items()})


@cache
def calibrated_choice(spec: str = AUTO) -> str:
    """Return the fastest forms on this machine as text, from times in the cache or from a measurement."""
    forms = installed_forms() if spec == FASTEST else INTERPRETED

    def measured() -> Seconds:
        numexpr.set_num_threads(1)
        return {kernel: tile_seconds(kernel, forms) for kernel in KERNELS}

    def is_valid(seconds: object) -> bool:
        return isinstance(seconds, dict) and all(
            isinstance(times := seconds.get(kernel), dict)
            and times.keys() == {form for form in forms if has_form(kernel, form)}
            and all(isinstance(time, float) and time > 0 for time in times.values())
            for kernel in KERNELS
        )

    seconds: Seconds = kept_value("the choice of kernels", "kernels.json", _machine_key(forms), measured, is_valid)
    return write_choice({kernel: _fastest(times) for kernel, times in seconds.items()})


def _fastest(times: Mapping[str, float]) -> str:
    form = min(times, key=lambda name: times[name])
    return form if times[form] < _MARGIN * times[NUMPY] else NUMPY


def _machine_key(forms: tuple[str, ...]) -> str:
    """Return what the times depend on: the processor, the libraries and their vector code, kernels and forms."""
    features = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    versions = [np.__version__, numexpr.__version__, *([version("numba")] if NUMBA in forms else [])]
    return " ".join((_processor(), *versions, str(TILE), "+".join(KERNELS), "+".join(forms), "+".join(features)))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
