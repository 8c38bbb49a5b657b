"""A team: the workers that an engine's phases are spread over. Worker 0 is the caller.

Threads      share the interpreter, and with it its lock: every NumPy call takes it again when it returns, and when two
             threads make short calls, each waits for the other. With products of milliseconds nobody notices; with
             calls of microseconds two threads can be slower than one.
Processes    are forked from this one and share the arena's memory, but no lock. They wait for work by looking at a
             counter, at first without pause, and after a moment without work in short sleeps.

Either way a phase is a number, ``work(phase, worker)`` does it, and what it reads and writes lies in shared memory.
Both give the same results to the bit.
"""

from __future__ import annotations

import gc
import os
import signal
import time
import traceback
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Protocol

import numpy as np
from threadpoolctl import ThreadpoolController

from tinygpt.engines.vectorized.mailbox import shared_zeros
from tinygpt.errors import CapacityError, WorkerError
from tinygpt.system.control_groups import out_of_memory_kills
from tinygpt.system.stopping import interrupts_deferred

Work = Callable[[int, int], None]

_PHASES = 16  # an order is its number times this plus the phase, so that one write gives both
_SPIN_SECONDS = 3e-4  # a worker without work looks for it this long before it starts to sleep
_SLEEP_SECONDS = 5e-5
_SLEEP_GROWTH = 1.05  # so that waking up late costs about a twentieth of what the wait took
_LONGEST_SLEEP = 5e-3
_RUN = "invoke train with a smaller --preset, or --engine 'vectorized[threads=1]'"
_YIELD_EVERY = 8  # looks between two offers of the core to whoever else wants it: on a busy machine, the other worker
_CHECK_EVERY = 512  # looks between two checks that the others still live


class Team(Protocol):
    """Runs phases, which are numbers from 0 to 15."""

    def run(self, phase: int) -> None:
        """Do ``work(phase, worker)`` for every worker; return when all are done.

        When it raises, no worker is at work any more, and the team has ended.
        """

    def process_ids(self) -> tuple[int, ...]:
        """Processes beside this one."""


class ThreadTeam(Team):
    """Workers as threads of this process.

    Args:
        work: does a phase.
        workers: how many, at least 1.
        blas_threads: what BLAS may use in each of them.
    """

    def __init__(self, work: Work, workers: int, blas_threads: int) -> None:
        self._work, self._workers, self._blas_threads = work, workers, blas_threads
        self._pool = ThreadPoolExecutor(max(1, workers - 1), thread_name_prefix="tinygpt")
        self._blas = ThreadpoolController()

    def run(self, phase: int) -> None:
        with self._blas.limit(limits=self._blas_threads, user_api="blas"):
            others = [self._pool.submit(self._work, phase, worker) for worker in range(1, self._workers)]
            try:
                self._work(phase, 0)
            finally:
                wait(others)
            for future in others:
                future.result()

    def process_ids(self) -> tuple[int, ...]:
        return ()


class ProcessTeam(Team):
    """Workers as processes forked from this one; they end with it, whichever way it ends.

    Args:
        work: does a phase; what it reads and writes must lie in shared memory.
        workers: how many, at least 2.
        blas_threads: what BLAS may use in each of them.
    """

    def __init__(self, work: Work, workers: int, blas_threads: int) -> None:
        self._work, self._blas_threads = work, blas_threads
        self._blas = ThreadpoolController()
        # Counters of phases: ordered by the first one, finished by each of the others. Aligned numbers of 8 bytes
        # are written whole, and a line of the cache apart they do not disturb each other.
        self._counters = shared_zeros(16 * (workers + 1)).view(np.int64).reshape(workers + 1, 8)
        self._counters_done = self._counters[2:, 0]
        self._ordered = 0
        self._kills_before = out_of_memory_kills()
        with interrupts_deferred():  # one that hit a child before it ignores them would raise in two processes
            self._processes = tuple(self._fork(worker) for worker in range(1, workers))
        self._finalizer = weakref.finalize(self, _dismiss, os.getpid(), self._counters, self._processes)

    def run(self, phase: int) -> None:
        """As :meth:`Team.run`.

        Raises:
            CapacityError: a worker was killed for want of memory.
            WorkerError: a worker ended otherwise.
        """
        self._ordered += 1
        self._counters[0, 0] = self._ordered * _PHASES + phase
        try:
            with self._blas.limit(limits=self._blas_threads, user_api="blas"):
                self._work(phase, 0)
            self._wait()
        except BaseException:  # an interrupt, say: the others finish their part, write no more, and end
            self._finalizer()
            raise

    def _wait(self) -> None:
        looks = 0
        while (self._counters_done < self._ordered).any():
            looks += 1
            if looks % _YIELD_EVERY == 0:
                os.sched_yield()
            if looks % _CHECK_EVERY == 0:
                for process in self._processes:
                    _check_alive(process, self._kills_before)

    def process_ids(self) -> tuple[int, ...]:
        return self._processes

    def _fork(self, worker: int) -> int:
        with warnings.catch_warnings():
            # Other threads of this process hold no lock that a worker takes: it runs NumPy and nothing else.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", message=r".*os\.fork\(\)")
            parent = os.getpid()
            process = os.fork()
        if process:
            return process
        try:
            self._serve(worker, parent)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)

    def _serve(self, worker: int, parent: int) -> None:
        """A worker's life."""
        gc.disable()  # what this process inherited is its parent's to finalize
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, signal.SIG_IGN)  # they reach the whole group; the parent decides, and this one follows
        self._blas.limit(limits=self._blas_threads, user_api="blas")
        order, done = self._counters[0], self._counters[worker + 1]
        finished = 0
        while True:
            since, looks, sleep = time.perf_counter(), 0, _SLEEP_SECONDS
            while order[0] // _PHASES == finished:
                looks += 1
                if looks % _YIELD_EVERY == 0:
                    os.sched_yield()
                if looks % _CHECK_EVERY == 0 or sleep > _SLEEP_SECONDS:
                    if os.getppid() != parent:
                        return
                    if time.perf_counter() - since > _SPIN_SECONDS:
                        time.sleep(sleep)
                        sleep = min(sleep * _SLEEP_GROWTH, _LONGEST_SLEEP)
            if order[0] < 0:
                return
            finished += 1
            self._work(int(order[0]) % _PHASES, worker)
            done[0] = finished


def _check_alive(process: int, kills_before: int) -> None:
    """Raise if a worker has ended; the kernel's count of kills before it began tells what a SIGKILL was for."""
    try:
        ended, status = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:  # somebody else has reaped it
        raise WorkerError("a worker process of the vectorized engine has ended", run=_RUN) from None
    if not ended:
        return
    code = os.waitstatus_to_exitcode(status)
    if -code == signal.SIGKILL and out_of_memory_kills() > kills_before:
        raise CapacityError(
            "the system killed a worker process of the vectorized engine for want of memory",
            "memory for every worker",
            _RUN,
        )
    how = f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit code {code}, see above"
    raise WorkerError(f"a worker process of the vectorized engine ended {how}", run=_RUN)


def _dismiss(owner: int, counters: np.ndarray, processes: tuple[int, ...]) -> None:
    """End the workers, from the process that started them; return when none is left."""
    if os.getpid() != owner:
        return
    counters[0, 0] = -1
    for process in processes:
        try:
            os.waitpid(process, 0)
        except ChildProcessError:  # reaped before
            continue
        except BaseException:  # asked to hurry
            os.kill(process, signal.SIGKILL)
            raise
