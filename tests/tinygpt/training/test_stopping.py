"""Runs stopped by signals, which save before they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import ROOT
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints.layout import WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.system.stopping import StopRequest
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord


def test_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGINT) != before[0]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert stop.requested and stop.signal is signal.SIGTERM and not stop.abandoned
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        assert stop.abandoned
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from dataclasses import replace
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.training.events import StopRecord
from tinygpt.system.staging import SAVED, SAVING
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord
out, steps, wait_at = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for event in run_session(plan(out, steps=steps, eval_every=1000, sample_every=1000), CORPUS, resume=out.exists()):
    if isinstance(event, StepRecord):
        print(json.dumps([event.step, event.loss]), flush=True)
        if event.step == wait_at:
            sys.stdin.read()
    if isinstance(event, StopRecord):
        print(json.dumps([event.reason, event.signal, event.step]), flush=True)
        sys.exit(event.exit_code)
"""


def start(out: Path, steps: int, wait_at: int = 0) -> subprocess.Popen[str]:
    """A run, new or resumed, that takes no step after ``wait_at`` before its input is closed."""
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(out), str(steps), str(wait_at)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


def read(process: subprocess.Popen[str], until_step: int) -> list[list[object]]:
    assert process.stdout is not None
    lines = []
    while not lines or lines[-1][0] != until_step:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        lines.append(json.loads(line))
    return lines


def finish(process: subprocess.Popen[str]) -> list[list[object]]:
    out, error = process.communicate(timeout=60)
    assert not error, error
    return [json.loads(line) for line in out.splitlines()]


def test_a_run_stopped_by_signals_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    """Ctrl-C, then SIGTERM, then kill -9, each in a separate process; the losses are those of an uninterrupted run."""
    steps = 24
    whole = [
        [event.step, event.loss]
        for event in run_session(plan(tmp_path / "whole", steps=steps), CORPUS)
        if isinstance(event, StepRecord)
    ]
    out = tmp_path / "run"
    lines: list[list[object]] = []
    for number, until in ((signal.SIGINT, 3), (signal.SIGTERM, 10)):
        process = start(out, steps, wait_at=until + 4)
        lines += read(process, until)
        process.send_signal(number)
        *rest, last = finish(process)
        lines += rest
        assert process.returncode == 128 + number
        assert last == ["interrupted", number.name, lines[-1][0]]
        assert lines[-1][0] in range(until, until + 5)
    saved = load_checkpoint(out).training
    assert saved is not None and saved.step == lines[-1][0]
    process = start(out, steps, wait_at=saved.step + 4)
    read(process, saved.step + 2)
    process.kill()
    process.communicate()
    process = start(out, steps)  # from the last checkpoint, which kill -9 did not touch
    *rest, last = finish(process)
    assert last == ["finished", None, steps]
    assert lines + rest == whole
    assert (out / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_a_second_ctrl_c_abandons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = plan(tmp_path / "run", steps=10, eval_every=9)
    session = run_session(wanted, CORPUS)
    with pytest.raises(KeyboardInterrupt):
        for event in session:
            if isinstance(event, StepRecord) and event.step == 3:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
    session.close()  # type: ignore[attr-defined]
    state = load_checkpoint(tmp_path / "run").training
    assert state is not None and state.step == 1  # the verified first one; nothing newer was saved
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
