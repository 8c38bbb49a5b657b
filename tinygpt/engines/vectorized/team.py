"""A team: the workers that run an engine's phases. Worker 0 is the caller.

Threads      share the interpreter's lock. Every NumPy call takes it again when it returns, so two threads that make
             short calls wait for each other. Products of milliseconds hide that; with calls of microseconds two threads
             can be slower than one.
Processes    are forked from this one and share the arena's memory, but no lock. They wait for work by polling a
             counter, first without pause, then in short sleeps.

In both, a phase is a number, ``work(phase, worker)`` runs it, and all that it reads and writes is in shared memory.
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
from tinygpt.system.stopping import InterruptsDeferred

Work = Callable[[int, int], None]

_PHASES = 16  # an order is its number times this plus the phase, so that one write contains both
_SPIN_SECONDS = 3e-4  # an idle worker polls this long before it sleeps
_SLEEP_SECONDS = 5e-5
_SLEEP_GROWTH = 1.05  # so that a late wake-up costs about a twentieth of the wait
_LONGEST_SLEEP = 5e-3
_RUN = "invoke train with a smaller --preset, or --engine 'vectorized[threads=1]'"
_YIELD_EVERY = 8  # polls between two yields of the core: on a busy machine, the other worker may need it
_CHECK_EVERY = 512  # polls between two checks that the other processes are alive


class Team(Protocol):
    """Runs phases, numbers from 0 to 15."""

    def run(self, phase: int) -> None:
        """Run ``work(phase, worker)`` for every worker, and wait for all.

        After an exception no worker is running, and the team has ended.
        """

    def process_ids(self) -> tuple[int, ...]:
        """List the worker processes."""


class ThreadTeam(Team):
    """Workers, at least one, as threads of this process, each with ``blas_threads`` for BLAS."""

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
    """Workers, at least two, as processes forked from this one; they end with it, even after a crash."""

    def __init__(self, work: Work, workers: int, blas_threads: int) -> None:
        self._work, self._blas_threads = work, blas_threads
        self._blas = ThreadpoolController()
        # Counters of phases: the first of those ordered, the others of those that each worker has finished. Aligned
        # numbers of 8 bytes are written atomically, and on separate cache lines they do not slow each other.
        self._counters = shared_zeros(16 * (workers + 1)).view(np.int64).reshape(workers + 1, 8)
        self._counters_done = self._counters[2:, 0]
        self._ordered = 0
        self._kills_before = out_of_memory_kills()
        with InterruptsDeferred():  # an interrupt before a child ignores it would raise in both processes
            self._processes = tuple(self._fork(worker) for worker in range(1, workers))
        self._finalizer = weakref.finalize(self, _dismiss, os.getpid(), self._counters, self._processes)

    def run(self, phase: int) -> None:
        """Run a phase.

        Raises:
            CapacityError: the system killed a worker for lack of memory.
            WorkerError: a worker ended for another reason.
        """
        self._ordered += 1
        self._counters[0, 0] = self._ordered * _PHASES + phase
        try:
            with self._blas.limit(limits=self._blas_threads, user_api="blas"):
                self._work(phase, 0)
            self._wait()
        except BaseException:  # on an interrupt, say, the others finish their part and end
            self._finalizer()
            raise

    def _wait(self) -> None:
        polls = 0
        while (self._counters_done < self._ordered).any():
            polls += 1
            if polls % _YIELD_EVERY == 0:
                os.sched_yield()
            if polls % _CHECK_EVERY == 0:
                for process in self._processes:
                    _check_alive(process, self._kills_before)

    def process_ids(self) -> tuple[int, ...]:
        return self._processes

    def _fork(self, worker: int) -> int:
        with warnings.catch_warnings():
            # No other thread of this process holds a lock that a worker takes: a worker runs only NumPy.
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
        """Run a worker until it is dismissed or its parent ends."""
        gc.disable()  # the parent finalizes the inherited objects
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, signal.SIG_IGN)  # signals reach the whole group; only the parent reacts
        self._blas.limit(limits=self._blas_threads, user_api="blas")
        order, done = self._counters[0], self._counters[worker + 1]
        finished = 0
        while True:
            since, polls, sleep = time.perf_counter(), 0, _SLEEP_SECONDS
            while order[0] // _PHASES == finished:
                polls += 1
                if polls % _YIELD_EVERY == 0:
                    os.sched_yield()
                if polls % _CHECK_EVERY == 0 or sleep > _SLEEP_SECONDS:
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
    """Raise if a worker has ended. A SIGKILL was for lack of memory if the kernel's count of such kills has risen."""
    try:
        ended, status = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:  # other code has reaped it
        raise WorkerError("a worker process of the engine has ended", run=_RUN) from None
    if not ended:
        return
    code = os.waitstatus_to_exitcode(status)
    if -code == signal.SIGKILL and out_of_memory_kills() > kills_before:
        problem = "the system killed a worker process of the engine for lack of memory"
        raise CapacityError(problem, "memory for every worker", _RUN)
    how = f"by signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"with exit code {code}, see above"
    raise WorkerError(f"a worker process of the engine ended {how}", run=_RUN)


def _dismiss(owner: int, counters: np.ndarray, processes: tuple[int, ...]) -> None:
    """End the workers and wait for them; do nothing in a process that did not start them."""
    if os.getpid() != owner:
        return
    counters[0, 0] = -1
    for process in processes:
        try:
            os.waitpid(process, 0)
        except ChildProcessError:  # already reaped
            continue
        except BaseException:  # a second interrupt
            os.kill(process, signal.SIGKILL)
            raise
