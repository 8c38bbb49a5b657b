"""Engines that fail in one way each, for real. The worker finds them by ``tests.bench.faulty_engines:NAME``."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines.base import StepResult
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.engines.vectorized import VectorizedEngine


class FaultyEngine(NumpyEngine):
    """The reference engine until step ``FAULT_AT``; then :meth:`fault` decides what becomes of the step's result."""

    FAULT_AT = 5
    steps_taken = 0

    def train_step(self, inputs, targets, learning_rate=None):
        result = super().train_step(inputs, targets, learning_rate)
        self.steps_taken += 1
        return self.fault(result) if self.steps_taken >= self.FAULT_AT else result

    def fault(self, result: StepResult) -> StepResult:
        raise NotImplementedError


class Hanging(FaultyEngine):
    """Never returns, and has a child that would outlive it."""

    def fault(self, result: StepResult) -> StepResult:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pid_file = os.environ.get("FAULTY_PID_FILE")
        if pid_file:
            partial = Path(pid_file + ".new")
            partial.write_text(f"{os.getpid()} {child.pid}")
            partial.rename(pid_file)
        time.sleep(600)
        return result


class Segfaulting(FaultyEngine):
    def fault(self, result: StepResult) -> StepResult:
        ctypes.string_at(0)
        return result


class Raising(FaultyEngine):
    def fault(self, result: StepResult) -> StepResult:
        raise RuntimeError(f"no luck with {Path.home()}/secret/notes.txt")


class NotANumber(FaultyEngine):
    def fault(self, result: StepResult) -> StepResult:
        return replace(result, loss=float("nan"))


class FastAndWrong(FaultyEngine):
    """Skips the work after a while: quick, and 1 % off the reference."""

    def fault(self, result: StepResult) -> StepResult:
        return replace(result, loss=result.loss * 1.01)


class Hungry(FaultyEngine):
    """Allocates more than the process may have."""

    def fault(self, result: StepResult) -> StepResult:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = size + 64 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        np.ones(2**30, np.uint8)
        return result


class Killed(FaultyEngine):
    def fault(self, result: StepResult) -> StepResult:
        os.kill(os.getpid(), signal.SIGKILL)
        return result


class WorkerKilled(VectorizedEngine):
    """Loses a process that works for it, to somebody who sends SIGKILL."""

    def __init__(self, model: ModelConfig, train: TrainConfig) -> None:
        super().__init__(model, train, threads=2, kernels="numpy", team="processes")

    def train_step(self, inputs, targets, learning_rate=None):
        if self.updates == FaultyEngine.FAULT_AT - 1:
            os.kill(self.process_ids()[0], signal.SIGKILL)
        return super().train_step(inputs, targets, learning_rate)


class Quitting(FaultyEngine):
    """Says that all is well, long before the end."""

    def fault(self, result: StepResult) -> StepResult:
        os._exit(0)


class Babbling(FaultyEngine):
    """Works, and writes nonsense to both of its outputs."""

    def fault(self, result: StepResult) -> StepResult:
        for stream in (1, 2):
            os.write(stream, b'\xff\x00{"event": "done"}\n' * 2000)
        return result


class NoEngine:
    """Not an engine at all."""
