from __future__ import annotations

import subprocess
import sys

import pytest

from bench.measuring.machine_lock import BusyError, measurement_lock
from bench.measuring.run_plan import RunOptions
from bench.measuring.runner import run_suite
from bench.training.race import Race, programs, run_race
from tests.bench.measuring.test_faults import faulty_suite
from tinygpt.system.home import user_temporary
from tinygpt.training.plan import TrainingPlan

HOLDER = """
import sys
from pathlib import Path
from bench.measuring.machine_lock import measurement_lock
with measurement_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its stdin closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_two_runs_never_overlap(tmp_path, holder, corpus, console):
    with pytest.raises(BusyError, match=f"process {holder.pid} is measuring"):
        run_suite(
            faulty_suite(),
            tmp_path / "results",
            corpus,
            console=console,
            options=RunOptions(lock_file=tmp_path / "lock"),
        )
    assert not (tmp_path / "results").exists()


def test_a_race_is_a_measurement_too(tmp_path, holder, corpus):
    race = Race(programs(TrainingPlan(tmp_path, preset="tiny", corpus=corpus.name, steps=1), ("numpy",)), 1.9)
    with pytest.raises(BusyError, match=f"process {holder.pid} is measuring"):
        run_race(race, corpus, tmp_path / "results", lock_file=tmp_path / "lock")
    assert not (tmp_path / "results").exists()


def test_the_lock_goes_with_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    with measurement_lock(tmp_path / "lock"):
        pass


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), measurement_lock(tmp_path / "lock"):
        raise RuntimeError
    with measurement_lock(tmp_path / "lock"), pytest.raises(BusyError), measurement_lock(tmp_path / "lock"):
        pass


def test_the_default_is_one_file_per_user(tmp_path, monkeypatch):
    assert user_temporary("tinygpt-bench") == user_temporary("tinygpt-bench")
    assert user_temporary("tinygpt-bench").name.startswith("tinygpt-bench-")
    monkeypatch.setattr("bench.measuring.machine_lock.user_temporary", lambda name: tmp_path / name)
    with measurement_lock(), pytest.raises(BusyError), measurement_lock():
        pass
    assert (tmp_path / "tinygpt-bench").exists()
