"""A process that starts a run, kills it before one thing that it asks of the disk, goes on with it, and so on.

    python -m tests.bench.killed_runs FOLDER

The n-th run is killed before the n-th such thing, until one comes to its end. So each operation between a run's start
and its end is once the one that was not done any more, on every machine. The runs are forks of this process, and what
a worker reports was recorded from a real one: it is the runner that is killed here. After every kill, what lies on the
disk is copied to FOLDER/after-NNN. FOLDER/log.txt holds what the runs said, line by line.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

import bench.measuring.runner as runner
from bench.arms.suites import Arm, Suite
from bench.measuring.process import Event, Outcome
from bench.measuring.run_plan import RunOptions
from tests.bench.conftest import TEXT
from tinygpt.corpora import Corpus

CORPUS = Corpus("squares", TEXT[:-2000], TEXT[-2000:], "", "")
ROUNDS = 3
VARIANTS = ("numpy", "numpy#2")
_MOST_KILLS = 500


def suite(rounds: int, *variants: str) -> Suite:
    return Suite("quick", "", rounds, tuple(Arm(variant, "tiny", 60.0, rounds) for variant in variants))


def record_a_worker(folder: Path) -> Callable[..., Outcome]:
    """Run one cell for real; returns what stands in for its worker from then on."""
    outcomes, run_worker = [], runner.run_worker

    def recorded(*arguments: Any) -> Outcome:
        outcomes.append(run_worker(*arguments))
        return outcomes[-1]

    def reported(
        _task: dict[str, Any], _folder: Path, _limit: float, on_event: Callable[[Event], None], *_more: object
    ) -> Outcome:
        for event in outcomes[0].events:
            on_event(event)
        return outcomes[0]

    runner.run_worker = recorded
    options = RunOptions(lock_file=folder / "lock")
    runner.run_suite(suite(1, VARIANTS[0]), folder, CORPUS, console=Console(quiet=True), options=options)
    return reported


def go_on(folder: Path) -> None:
    """One run, in a fork: a new one, or the one that was killed."""
    options = RunOptions(lock_file=folder / "lock")
    with (folder / "log.txt").open("a", buffering=1) as file:
        console = Console(file=file, width=120)
        if list((folder / "results" / "local").glob("plan-*.json")):
            runner.resume_run("last", folder / "results", CORPUS, console, options)
        else:
            runner.run_suite(suite(ROUNDS, *VARIANTS), folder / "results", CORPUS, console=console, options=options)


def kill_before(n: int, folder: Path) -> None:
    """Have this process killed before the n-th thing that it asks of the disk in a folder."""
    left = itertools.count(n - 1, -1)

    def asked(_event: str, arguments: tuple[object, ...]) -> None:
        path = arguments[0] if arguments else None
        if isinstance(path, str | Path) and str(path).startswith(str(folder)) and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(asked)


def main(folder: Path) -> None:
    """Kill until a run comes to its end."""
    tempfile.tempdir = str(folder / "scratch")
    Path(tempfile.tempdir).mkdir()
    # The same answers, half a second sooner.
    machine, code, provenance = runner.fresh_machine(), runner.code_sha256(), runner.read_provenance()
    runner.fresh_machine, runner.code_sha256, runner.read_provenance = lambda: machine, lambda: code, lambda: provenance
    runner.run_worker = record_a_worker(folder / "scratch" / "recorded")
    for number in range(1, _MOST_KILLS):
        child = os.fork()
        if child == 0:
            kill_before(number, folder)
            go_on(folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if (code := os.waitstatus_to_exitcode(status)) == 0:
            return
        assert code == -signal.SIGKILL, f"run {number} ended with {code}"
        if (folder / "results").exists():
            shutil.copytree(folder / "results", folder / f"after-{number:03}")
    raise AssertionError("no run came to its end")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
