"""A machine's fingerprint: everything that timings depend on, and never its name, its user's name or a path.

The fingerprint is a flat record; its canonical JSON and that text's SHA-256 are stored in every row. Quantities that
change from boot to boot without changing a timing (free memory, clock frequency, patch level of the system) are not
in it, so that one machine keeps one hash.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from threadpoolctl import threadpool_info

from bench.records.child import python_command, python_environment
from bench.records.protocol import HashedRecord
from tinygpt.system.control_groups import core_quota, memory_limit
from tinygpt.system.threads import available_cores

_GIB = 2**30

# Flags of /proc/cpuinfo that each level of the x86-64 psABI adds (https://gitlab.com/x86-psABIs/x86-64-ABI).
_X86_LEVELS = (
    ("x86-64-v2", {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}),
    ("x86-64-v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)


@dataclass(frozen=True)
class Machine(HashedRecord):
    """The fingerprint.

    Attributes:
        cpu: model name.
        arch_level: instruction set, such as ``x86-64-v4`` or ``arm64``.
        cores: logical cores that the process may run on.
        core_quota: cores that a control group grants; None without a limit.
        memory_gib: memory of the machine, GiB.
        memory_limit_gib: what a control group grants, GiB; None without a limit.
        os: operating system.
        python: implementation and version.
        numpy: version.
        numexpr: version, None if it is not installed.
        blas: library that NumPy multiplies matrices with.
        blas_version: its version.
        blas_kernel: processor family that its running kernel was written for.
        blas_threads: threads that it would use.
        accelerator: GPUs by name, how many, and their driver, as NVIDIA's own tool lists them; None without one.
    """

    cpu: str
    arch_level: str
    cores: int
    core_quota: float | None
    memory_gib: float
    memory_limit_gib: float | None
    os: str
    python: str
    numpy: str
    numexpr: str | None
    blas: str
    blas_version: str | None
    blas_kernel: str | None
    blas_threads: int | None
    accelerator: str | None = None


def read_machine() -> Machine:
    """Look at the machine that this process runs on."""
    flags = _cpuinfo("flags")
    return Machine(
        cpu=cpu_model(),
        arch_level=arch_level(platform.machine(), set(flags.split()) if flags else None),
        cores=available_cores(),
        core_quota=core_quota(),
        memory_gib=round(psutil.virtual_memory().total / _GIB, 1),
        memory_limit_gib=_memory_limit_gib(),
        os=operating_system(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        numpy=np.__version__,
        numexpr=_package_version("numexpr"),
        **blas(),
        accelerator=accelerator(),
    )


def _memory_limit_gib() -> float | None:
    """The limit of a control group, if it is below what the machine has."""
    limit = memory_limit()
    return round(limit / _GIB, 1) if limit is not None and limit < psutil.virtual_memory().total else None


def arch_level(machine: str, flags: set[str] | None) -> str:
    """The instruction set: for x86-64 the highest psABI level whose flags are all there, else the architecture.

    Args:
        machine: as ``platform.machine()`` has it.
        flags: of /proc/cpuinfo, or None where there is none (macOS, Windows).
    """
    name = {"amd64": "x86-64", "x86_64": "x86-64", "aarch64": "arm64"}.get(machine.lower(), machine.lower())
    if name != "x86-64" or not flags:
        return name or "unknown"
    level = "x86-64-v1"
    for name, needed in _X86_LEVELS:
        if not needed <= flags:
            break
        level = name
    return level


def _cpuinfo(key: str) -> str | None:
    """A field of the first processor in /proc/cpuinfo (Linux)."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(rf"^{re.escape(key)}\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else None


def _cpu_linux() -> str | None:
    return _cpuinfo("model name") or _cpuinfo("Model") or _cpuinfo("Hardware")


def _cpu_macos() -> str | None:
    try:
        done = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _cpu_windows() -> str | None:
    if sys.platform != "win32":
        return None
    import winreg

    key = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as handle:
            return str(winreg.QueryValueEx(handle, "ProcessorNameString")[0]).strip()
    except OSError:
        return None


_CPU_READERS: dict[str, Callable[[], str | None]] = {
    "Linux": _cpu_linux,
    "Darwin": _cpu_macos,
    "Windows": _cpu_windows,
}


def cpu_model() -> str:
    """The processor's name as its maker gives it, or the architecture where the system does not tell."""
    reader = _CPU_READERS.get(platform.system())
    name = (reader() if reader else None) or platform.processor() or platform.machine() or "unknown"
    return " ".join(name.split())


def operating_system() -> str:
    """Name and version, without build strings that a machine's owner may have chosen."""
    numbers = re.match(r"\d+(\.\d+)?", platform.release())
    text = f"{platform.system()} {numbers.group(0) if numbers else ''}".strip()
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return f"{text}, {platform.freedesktop_os_release()['PRETTY_NAME']}"
    except (OSError, KeyError):
        return text


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def accelerator() -> str | None:
    """GPUs and driver, such as ``2 × NVIDIA H200, driver 580.1``; None where NVIDIA's tool finds none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode or not lines:
        return None
    names, drivers = zip(*(line.rpartition(", ")[::2] for line in lines), strict=True)
    counts = [f"{names.count(name)} × {name}" if names.count(name) > 1 else name for name in dict.fromkeys(names)]
    return f"{', '.join(counts)}, driver {drivers[0]}"


# ---- BLAS ------------------------------------------------------------------------------------------------


def blas() -> dict[str, Any]:
    """NumPy's BLAS: library, version, the kernel that really runs, and threads.

    ``OPENBLAS_CORETYPE`` can force an old kernel and halve every product's speed; only the loaded library tells.
    """
    loaded = [entry for entry in threadpool_info() if entry.get("user_api") == "blas"]
    # SciPy may have brought a library of its own: NumPy's is the one in NumPy's folder.
    loaded.sort(key=lambda entry: "numpy" not in str(entry.get("filepath", "")))
    if loaded:
        entry = loaded[0]
        return {
            "blas": str(entry.get("internal_api")),
            "blas_version": entry.get("version"),
            "blas_kernel": entry.get("architecture"),
            "blas_threads": entry.get("num_threads"),
        }
    # Libraries that threadpoolctl does not know (Accelerate on macOS): what NumPy was built with.
    built = np.show_config(mode="dicts")
    dependency = (built or {}).get("Build Dependencies", {}).get("blas", {})
    return {
        "blas": str(dependency.get("name", "unknown")),
        "blas_version": str(dependency.get("version")) if dependency.get("version") else None,
        "blas_kernel": None,
        "blas_threads": None,
    }


def openblas_override() -> str | None:
    """``OPENBLAS_CORETYPE`` if it is set: a kernel chosen by hand, worth a warning before measuring."""
    return os.environ.get("OPENBLAS_CORETYPE") or None


def fresh_machine() -> str:
    """The fingerprint's JSON as a new process sees it, the way workers do.

    Libraries that this process has loaded, and threads that it has limited, belong to it and not to the machine.
    """
    program = "from bench.records.machine import read_machine; print(read_machine().canonical_json)"
    command, environment = python_command("-c", program), python_environment()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return read_machine().canonical_json
    return done.stdout.strip()


def busy_cores() -> float | None:
    """Cores that were busy over the last minute (the load average), or None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
