"""A process that starts a run, kills it at a random moment, goes on with it, kills it again, and so on.

    python -m tests.bench.killed_runs FOLDER KILLS SEED

The runs are forks of this process, so that each starts at once and the kills fall on work, not on imports. After every
kill, what lies on the disk is copied to FOLDER/after-NN; the last run is left alone. FOLDER/log.txt holds what the runs
said, line by line.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from rich.console import Console

import bench.measuring.runner
from bench.arms.suites import Arm, Suite
from bench.measuring.run_plan import RunOptions
from bench.measuring.runner import resume_run, run_suite
from tests.bench.conftest import TEXT
from tinygpt.corpora import Corpus

CORPUS = Corpus("squares", TEXT[:-2000], TEXT[-2000:], "", "")


def go_on(folder: Path, suite: Suite, log: Path) -> None:
    """One run, in a fork: a new one, or the one that was killed."""
    options = RunOptions(lock_file=folder / "lock")
    with log.open("a", buffering=1) as file:
        console = Console(file=file, width=120)
        if list((folder / "results" / "local").glob("plan-*.json")):
            resume_run("last", folder / "results", CORPUS, console, options)
        else:
            run_suite(suite, folder / "results", CORPUS, console=console, options=options)


def main(folder: Path, kills: int, seed: int) -> None:
    """Kill so many times, then let the run end."""
    chance = random.Random(seed)
    machine, code = bench.measuring.runner.fresh_machine(), bench.measuring.runner.code_sha256()
    bench.measuring.runner.fresh_machine = lambda: machine  # type: ignore[assignment]  # the same answer, half a second sooner
    bench.measuring.runner.code_sha256 = lambda: code  # type: ignore[assignment]
    rounds = 6
    suite = Suite("quick", "", rounds, tuple(Arm(v, "tiny", 60.0, rounds) for v in ("numpy", "numpy#2")))
    for number in range(kills + 1):
        child = os.fork()
        if child == 0:
            go_on(folder, suite, folder / "log.txt")
            os._exit(0)
        if number < kills:
            time.sleep(chance.uniform(0.0, 0.9))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        finished = os.waitstatus_to_exitcode(status) == 0
        shutil.copytree(folder / "results", folder / f"after-{number:02}", dirs_exist_ok=True)
        if finished:
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
