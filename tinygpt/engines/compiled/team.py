"""A team of threads that wait for work, and do it, in compiled code.

Such a thread holds no lock: not between two calls, because there is one call, and not while it waits. It comes back to
Python only for what only Python does: a batch of another shape, which needs another workspace, and dropout's masks.
"""

from __future__ import annotations

import threading
import weakref

import numpy as np
from threadpoolctl import ThreadpoolController

from tinygpt.engines.compiled.job import END, IN_PYTHON, NOTHING, NUMBER, PHASES, work
from tinygpt.engines.compiled.phases import CompiledPhases
from tinygpt.engines.vectorized.mailbox import LINE, shared_zeros
from tinygpt.engines.vectorized.phases import Phase
from tinygpt.engines.vectorized.team import Team

_ALL = 2**62  # turns: more than any worker waits for


def new_counters(workers: int) -> np.ndarray:
    """Return the counters of a team: the newest order, and the last that each of the other workers has completed."""
    counters = shared_zeros(2 * LINE * max(1, workers)).view(np.int64)
    counters[0] = NOTHING  # 0 would be a phase, which a thread would run without its rows
    return counters


class CompiledTeam(Team):
    """Workers as threads of this process, each with ``blas_threads`` for BLAS."""

    def __init__(self, phases: CompiledPhases, workers: int, blas_threads: int) -> None:
        self._phases, self._workers, self._blas_threads = phases, workers, blas_threads
        self._blas = ThreadpoolController()
        self._counters = new_counters(workers)
        self._ordered = 0
        self._shape: tuple[int, int] | None = None  # of the batch for which the threads have their workspace
        self._errors: list[BaseException] = []
        shared = phases, self._counters, self._errors
        self._threads = tuple(
            threading.Thread(target=_serve, args=(worker, *shared), name=f"tinygpt-{worker}", daemon=True)
            for worker in range(1, workers)
        )
        for thread in self._threads:
            thread.start()
        self._finalizer = weakref.finalize(self, _dismiss, self._counters, self._threads)

    def run(self, phase: int) -> None:
        shape = self._phases.mailbox.shape
        in_python = shape != self._shape or self._phases.needs_python(Phase(phase))
        self._ordered += 1
        order = self._ordered * NUMBER + IN_PYTHON * in_python + phase
        try:
            with self._blas.limit(limits=self._blas_threads, user_api="blas"):
                self._phases.begin(Phase(phase), 0)
                work(self._phases.job(0), order, self._counters, self._workers)
            self._shape = shape
            if self._errors:
                raise self._errors[0]
        except BaseException:
            self._finalizer()
            raise

    def process_ids(self) -> tuple[int, ...]:
        return ()


def _serve(worker: int, phases: CompiledPhases, counters: np.ndarray, errors: list[BaseException]) -> None:
    """Run a worker until it is dismissed."""
    order, workers = NOTHING, len(counters) // LINE
    try:
        order = work(phases.idle_job(worker), order, counters, workers)
        while order != END:
            phases.begin(Phase(order % PHASES), worker)
            order = work(phases.job(worker), order, counters, workers)
    except BaseException as error:  # for the others, which must not wait for this one any more
        errors.append(error)
        counters[worker * LINE] = order
        phases.mailbox.turns[worker * LINE] = _ALL


def _dismiss(counters: np.ndarray, threads: tuple[threading.Thread, ...]) -> None:
    counters[0] = END
    for thread in threads:
        thread.join()
