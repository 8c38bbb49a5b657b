"""A process that starts a training run, kills it at a random moment, resumes it, kills it again, and so on.

    python -m tests.tinygpt.killed_sessions FOLDER ENGINE KILLS SEED [LORA]

The runs are forks of this process, so that each starts at once and the kills hit work, not imports. Every run saves
after every step, and is killed some steps after its start. Half of the kills hit a save: kill -9 before the n-th call
of the file system. The others come after some processor time, at any point, in the ways of ``ENDS``. FOLDER/losses.txt
gets the losses of all runs, bit by bit, and a line for the files of every killed run. After the kills one run is
completed, and then one that was never killed, in FOLDER/whole. With LORA, all of them train an adapter of FOLDER/base.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil

import tinygpt.system.files
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints import saving, state_file, tensorfile
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import has_checkpoint, save_checkpoint
from tinygpt.engines import create_engine
from tinygpt.errors import WorkerError
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS
from tinygpt.system.staging import SAVED, SAVING
from tinygpt.training.events import EvaluationRecord
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

STEPS = 24
CHECKPOINTED = "saved"
# Everything that a run could lose count of.
RECIPE = {"dropout": 0.1, "warmup_steps": 4, "schedule": "cosine", "batch_size": 4, "accumulation": 2}
_ASKED_OF_THE_DISK = ("mkdir", "fsync", "rename", "replace", "link", "unlink", "rmdir")
_PER_SAVE = 150  # about as many calls, chunks of files included
_STEP_SECONDS = 0.03  # of processor time, about, with its save
_LOST_A_WORKER = 7


def kill_a_worker() -> None:
    """Kill a worker process of the engine; the run ends with an error. Kill the run where it has no workers."""
    workers = psutil.Process().children()
    os.kill(workers[0].pid if workers else os.getpid(), signal.SIGKILL)


ENDS: tuple[Callable[[], object], ...] = (
    partial(signal.raise_signal, signal.SIGKILL),
    partial(signal.raise_signal, signal.SIGQUIT),
    partial(signal.raise_signal, signal.SIGSTOP),  # the parent kills what has stopped
    partial(os.killpg, 0, signal.SIGKILL),
    kill_a_worker,
)
_KILLED = (-signal.SIGKILL, -signal.SIGQUIT, _LOST_A_WORKER)


def train(folder: Path, engine: str, log: Path, taken: Callable[[int], None], **changes: Any) -> None:
    """Complete a run, new or resumed; every loss is in the log before the next step begins.

    Args:
        folder: the run's folder.
        engine: its engine.
        log: file of the losses.
        taken: called with the number of steps that this process has taken, first with 0.
        changes: changes of the plan.
    """
    wanted = plan(folder, engine=engine, steps=STEPS, eval_every=5, sample_every=1000, **RECIPE, **changes)
    resume = has_checkpoint(folder)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    steps = 0
    taken(steps)
    for event in run_session(wanted, CORPUS, resume=resume):
        if isinstance(event, StepRecord):
            os.write(descriptor, f"loss {event.step} {event.loss.hex()} {event.grad_norm.hex()}\n".encode())
            steps += 1
            taken(steps)
        if isinstance(event, EvaluationRecord):
            os.write(descriptor, f"held-out {event.step} {event.held_out_loss.hex()}\n".encode())


class KillBefore:
    """Kills this process before the n-th call of the file system."""

    def __init__(self, n: int) -> None:
        self.left = n
        for name in _ASKED_OF_THE_DISK:
            setattr(os, name, self._counted(getattr(os, name)))
        write_file = tinygpt.system.files.write_file
        for module in (saving, state_file, tensorfile):
            module.write_file = lambda path, chunks: write_file(path, self._pieces(chunks))  # type: ignore[attr-defined]

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _counted(self, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._count()
            return original(*args, **kwargs)

        return call

    def _pieces(self, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        for chunk in chunks:
            self._count()
            yield chunk


def kill_soon(steps: int, share: float, end: Callable[[], object] | None, taken: int) -> None:
    """Kill this process soon after some number of steps: in a save, or in one of the ``ENDS``."""
    if taken != steps:
        return
    if end is None:
        KillBefore(1 + round(share * _PER_SAVE))
    else:
        signal.signal(signal.SIGVTALRM, lambda *_: end())
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.001 + share * _STEP_SECONDS)


def nothing(_taken: int) -> None:
    """Do not kill."""


def main(folder: Path, engine: str, kills: int, seed: int, lora: str = "") -> None:
    """Kill the run several times, then complete it."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # ignored where a shell started the tests in the background
    create_engine(engine, PRESETS["tiny"].model, PRESETS["tiny"].train)  # imported and compiled before the first fork
    chance = random.Random(seed)
    run, log, changes = folder / "run", folder / "losses.txt", {}
    if lora:
        small = PRESETS["tiny"]
        base = Checkpoint(small.model, small.train, initial_parameters(small.model, 1))
        changes = {"lora": lora, "start_from": str(save_checkpoint(folder / "base", base))}
    for number in range(kills + 1):
        steps, share = chance.choice((0, 1, 2, 3, 4)), chance.random()
        child = os.fork()
        if child == 0:
            os.setpgrp()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # SIGQUIT would leave one
            end = None if number % 2 else ENDS[number // 2 % len(ENDS)]
            try:
                train(
                    run, engine, log, partial(kill_soon, steps, share, end) if number < kills else nothing,
                    checkpoint_every=1, **changes,
                )  # fmt: skip
            except WorkerError:
                os._exit(_LOST_A_WORKER)
            os._exit(0)
        _, status = os.waitpid(child, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, *_KILLED), f"run {number} ended with {code}"
        if code == 0:
            break
        half_way = any((run / name).exists() for name in (SAVING, SAVED))
        state = load_checkpoint(run).training if has_checkpoint(run) else None
        with log.open("a") as file:
            file.write(f"{CHECKPOINTED} {0 if state is None else state.step} {half_way}\n")
    train(folder / "whole", engine, folder / "whole.txt", nothing, **changes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
