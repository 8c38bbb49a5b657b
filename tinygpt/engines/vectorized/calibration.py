"""The choice of each kernel's form: the caller's, or that of a short measurement on this machine.

The cache keeps the result per machine and per versions of NumPy and NumExpr, so that two runs of a program use the same
forms and give the same bits. Delete ``kernels.json`` in the cache folder to measure again.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import numexpr
import numpy as np

from tinygpt.engines.vectorized.kernels import KERNELS, TILE, KernelSet, calibration_seconds
from tinygpt.errors import ConfigError, unknown_name
from tinygpt.system.kept_values import kept_value

# NumExpr has to be faster by this factor: near a tie, noise would decide.
_MARGIN = 0.9


def choose_kernels(spec: str = "auto") -> KernelSet:
    """Resolve ``auto``, ``numpy``, ``numexpr`` or a mixed choice such as ``numexpr:adamw+gelu``.

    Raises:
        ConfigError: the text is none of these, or names an unknown kernel.
    """
    resolved = calibrated_spec() if spec == "auto" else spec
    form, _, names = resolved.partition(":")
    if form not in ("numpy", "numexpr") or (form == "numpy" and names):
        raise ConfigError(f"kernels is {spec!r}", "auto, numpy, numexpr, or numexpr:NAME+NAME")
    chosen = names.split("+") if names else (list(KERNELS) if form == "numexpr" else [])
    for name in chosen:
        if name not in KERNELS:
            raise unknown_name("kernel", name, KERNELS)
    if chosen:
        numexpr.set_num_threads(1)  # the batch is spread over cores, never a kernel
    forms = {name: kernel.numexpr if name in chosen else kernel.numpy for name, kernel in KERNELS.items()}
    return KernelSet(_spec([name for name in KERNELS if name in chosen]), **forms)


@cache
def calibrated_spec() -> str:
    """Return the faster forms on this machine, from the cache or from a measurement."""
    return kept_value("the choice of kernels", "kernels.json", _machine_key(), _measured_spec, _is_choice)


def _measured_spec() -> str:
    numexpr.set_num_threads(1)
    seconds = {name: calibration_seconds(name) for name in KERNELS}
    return _spec([name for name, (in_numpy, in_numexpr) in seconds.items() if in_numexpr < _MARGIN * in_numpy])


def _machine_key() -> str:
    """Return what the choice depends on: the processor, both libraries and their vector code, and the kernels."""
    features = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    parts = (_processor(), np.__version__, numexpr.__version__, str(TILE), "+".join(KERNELS), "+".join(features))
    return " ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _spec(in_numexpr: list[str]) -> str:
    if len(in_numexpr) == len(KERNELS):
        return "numexpr"
    return "numexpr:" + "+".join(in_numexpr) if in_numexpr else "numpy"


def _is_choice(spec: object) -> bool:
    if not isinstance(spec, str) or spec == "auto":
        return False
    try:
        choose_kernels(spec)
    except ConfigError:
        return False
    return True
