"""Several real processes on loopback: the losses of one, agreement beforehand, and an end that says who is gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.parity.jax_process import CORPUS, plan
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.engines.jax.hosts import EXIT_CODE, Meeting, parse_meeting
from tinygpt.errors import ConfigError
from tinygpt.training.same_plan import disagreements
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def start(out: Path, seeds: tuple[int, int], steps: int) -> list[subprocess.Popen]:
    """Two processes of one job."""
    port = free_port()
    return [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.parity.jax_process",
                str(port),
                f"{index}/2",
                str(seed),
                str(steps),
                str(out),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index, seed in enumerate(seeds)
    ]


def finish(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Exit code, standard output and error of each."""
    try:
        said = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(processes, said, strict=True)]


def test_two_processes_repeat_one_processs_losses(tmp_path):
    (code, text, errors), (other, _, _) = finish(start(tmp_path / "two", (3, 3), steps=6))
    assert (code, other) == (0, 0), errors
    alone = [e.loss for e in run_session(plan(tmp_path / "one", 3, 6), CORPUS) if isinstance(e, StepRecord)]
    assert json.loads(text.splitlines()[-1]) == pytest.approx(alone, rel=1e-5)
    assert load_checkpoint(tmp_path / "two").training.step == 6


def test_processes_that_disagree_end_before_the_first_step(tmp_path):
    ended = finish(start(tmp_path / "run", (3, 4), steps=6))
    told = [errors for code, _, errors in ended if code == 2]
    assert told, ended
    assert all("the processes disagree: seed is 4 in process 1, 3 in process 0" in errors for errors in told)
    # One that is slow to speak may find the other gone before it has.
    assert {code for code, _, _ in ended} <= {2, EXIT_CODE}, ended
    assert not (tmp_path / "run").exists()


def test_a_killed_process_ends_the_job_and_leaves_a_checkpoint_that_goes_on(tmp_path):
    out = tmp_path / "run"
    processes = start(out, (3, 3), steps=10**6)
    deadline = time.monotonic() + 400
    while not (out / "training_state.json").exists():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes), finish(processes)
        time.sleep(0.05)
    os.kill(processes[1].pid, signal.SIGKILL)
    (code, _, errors), (killed, _, _) = finish(processes)
    assert (code, killed) == (EXIT_CODE, -signal.SIGKILL)
    assert "process 1 of 2 is gone" in errors
    assert str(out) in errors
    step = load_checkpoint(out).training.step
    events = list(run_session(plan(out, 3, step + 2, "jax[device=cpu,mesh=data1]"), CORPUS, resume=True))
    assert [event.step for event in events if isinstance(event, StepRecord)] == [step + 1, step + 2]


@pytest.mark.parametrize(
    ("hosts", "process", "said"),
    [
        ("auto", "0/2", "the cluster knows"),
        ("10.0.0.1", "0/2", "HOST:PORT"),
        ("10.0.0.1:80", "", "INDEX/COUNT"),
        ("10.0.0.1:80", "2/2", "INDEX/COUNT"),
    ],
)
def test_meetings_that_cannot_be_kept(hosts, process, said):
    with pytest.raises(ConfigError, match=said):
        parse_meeting(hosts, process)


def test_meetings():
    assert parse_meeting("auto", "") == Meeting(None)
    assert parse_meeting("[::1]:9000", "1/4") == Meeting("[::1]:9000", 1, 4)
    assert disagreements([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1}]) == [
        "b is 3 in process 1, 2 in process 0",
        "b is None in process 2, 2 in process 0",
    ]
