"""The probe: a fixed product and a fixed copy, timed before and after a cell and between its blocks of steps.

Other programs, other virtual machines and a hot processor slow a cell down. The probe is the same work in every cell.
Its time shows how much, and the system's counters beside it show by what. It runs in the worker, with as many threads
as the cell has and BLAS on one thread in each, never inside a timed step. Its buffers come from the system and not from
the allocator, whose thresholds depend on what was freed before and change an engine's page faults.
"""

from __future__ import annotations

import mmap
import os
import re
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from threadpoolctl import ThreadpoolController

from bench.arms.registry import PEERS
from bench.arms.token_ways import TOKEN
from bench.arms.variants import engine_name
from tinygpt.system.pressure import PRESSURE_FILE
from tinygpt.system.threads import available_cores

# About two milliseconds of products in a core's own cache, then one of copies that do not fit in it.
_SIDE, _PRODUCTS = 256, 6
_COPIED, _COPIES = 2**19, 3  # numbers
_NUMBERS = 3 * _SIDE**2 + 2 * _COPIED

_CPU_FILES = "devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"  # kHz

Reading = dict[str, float | int | None]


def probe_threads(variant: str) -> int:
    """Return the threads of a variant's cell: those in its name, else one or all that it may use."""
    stated = re.search(r"\bthreads=(\d+)", variant)
    one = engine_name(variant) in ("python", TOKEN) or (variant in PEERS and PEERS[variant].threads == 1)
    return int(stated[1]) if stated else 1 if one else available_cores()


class Probe:
    """The probe of one cell; ``bytes`` of the process's memory are its own.

    Args:
        threads: how many do its work at the same time, each on its own buffers.
    """

    def __init__(self, threads: int) -> None:
        self.threads, self.bytes = threads, 4 * _NUMBERS * threads
        numbers = np.frombuffer(mmap.mmap(-1, self.bytes), np.float32).reshape(threads, _NUMBERS)
        for own in numbers:
            np.random.default_rng(0).random(dtype=np.float32, out=own)
        products, copies = np.split(numbers, [3 * _SIDE**2], axis=1)
        self._products, self._copies = products.reshape(threads, 3, _SIDE, _SIDE), copies.reshape(threads, 2, _COPIED)
        self._blas = ThreadpoolController().select(user_api="blas")
        self._cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        self._counters: Reading = {}

    def take(self, step: int, processes: Iterable[int] = ()) -> Reading:
        """Run the probe once.

        Args:
            step: steps done so far.
            processes: ids of processes that work for the cell besides this one.

        Returns:
            the columns of a row of ``probes``. Times are those of the slowest thread. Counters are what was added
            since this method was called before; None at the first call and where the system has no such counter.
        """
        counters = read_counters((os.getpid(), *processes))
        before, self._counters = self._counters, counters
        ready = threading.Barrier(self.threads)
        seconds = np.empty((self.threads, 2))
        with self._blas.limit(limits=1):
            others = [threading.Thread(target=self._work, args=(i, ready, seconds)) for i in range(1, self.threads)]
            for thread in others:
                thread.start()
            self._work(0, ready, seconds)
            for thread in others:
                thread.join()
        product, copy = seconds.max(axis=0).tolist()
        added = {name: _difference(value, before.get(name)) for name, value in counters.items()}
        times: Reading = {"step": step, "threads": self.threads, "product_seconds": product, "copy_seconds": copy}
        return times | added | {"load": _load(), "frequency_mhz": _frequency()}

    def _work(self, thread: int, ready: threading.Barrier, seconds: np.ndarray) -> None:
        (left, right, out), (source, target) = self._products[thread], self._copies[thread]
        if thread and self._cores:  # not where a framework has pinned the thread that starts this one
            os.sched_setaffinity(0, self._cores)
        np.matmul(left, right, out=out)  # the engine has used the caches since the last time
        np.copyto(target, source)
        ready.wait()
        start = time.perf_counter()
        for _ in range(_PRODUCTS):
            np.matmul(left, right, out=out)
        middle = time.perf_counter()
        for _ in range(_COPIES):
            np.copyto(target, source)
        seconds[thread] = middle - start, time.perf_counter() - middle


def read_counters(processes: Iterable[int], system: Path = Path("/proc")) -> Reading:
    """Read counters that only grow: the machine's steal and pressure, the processes' switches and page faults.

    Returns:
        by column of ``probes``; None where the system has no such counter.
    """
    ids = tuple(processes)
    return {
        "steal_seconds": _steal(system / "stat"),
        "waiting_seconds": _waiting(system / PRESSURE_FILE.relative_to("/proc")),
        "voluntary_switches": _switches(system, ids, "voluntary_ctxt_switches"),
        "involuntary_switches": _switches(system, ids, "nonvoluntary_ctxt_switches"),
        "page_faults": _page_faults(system, ids),
    }


def _difference(now: float | None, before: float | None) -> float | int | None:
    """Return what a counter has gained; None if it is unknown, or has lost what a process that ended had counted."""
    return None if now is None or before is None or now < before else now - before


def _steal(path: Path) -> float | None:
    """Return the seconds, summed over processors, that the hypervisor gave to others."""
    try:
        return int(path.read_text(encoding="ascii").split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError, AttributeError):
        return None


def _waiting(path: Path) -> float | None:
    """Return the seconds in which some task of the machine waited for a processor."""
    try:
        return int(re.findall(r"^some .*total=(\d+)", path.read_text(encoding="ascii"), re.MULTILINE)[0]) * 1e-6
    except (OSError, IndexError):
        return None


def _switches(system: Path, processes: Iterable[int], field: str) -> int | None:
    """Return the context switches of all threads of some processes; an ended process counts nothing."""
    files = [file for process in processes for file in (system / str(process) / "task").glob("*/status")]
    pattern = re.compile(rf"^{field}:\s*(\d+)", re.MULTILINE)
    found = [pattern.search(_text(file)) for file in files]
    return sum(int(match[1]) for match in found if match) if any(found) else None


def _page_faults(system: Path, processes: Iterable[int]) -> int | None:
    """Return the page faults of some processes that needed no disk."""
    fields = [_text(system / str(process) / "stat").rpartition(")")[2].split() for process in processes]
    found = [int(field[7]) for field in fields if field]
    return sum(found) if found else None


def _text(file: Path) -> str:
    """Return a file's text, nothing if its process has ended."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def _frequency(system: Path = Path("/sys")) -> float | None:
    """Return the processors' mean frequency in MHz; virtual machines report none."""
    found = [float(text) for file in system.glob(_CPU_FILES) if (text := _text(file)).strip()]
    return sum(found) / len(found) / 1000 if found else None
