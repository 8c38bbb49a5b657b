"""States of runs: running, ended, killed, foreign or unreadable; and stopping one."""

from __future__ import annotations

import io
import json
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, save
from tests.tinygpt.system.test_folder_lock import end, in_a_fork
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import STATE
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.errors import ConfigError, DivergedError
from tinygpt.runs.manage import StillRunningError, find_run, list_runs, read_run, stop_run
from tinygpt.runs.status import STATUS, RunStatus, read_status, report_status
from tinygpt.system.folder_lock import folder_lock
from tinygpt.system.process_identity import ProcessIdentity
from tinygpt.system.stopping import StopRequest
from tinygpt.terminal.runs_view import ended_text, print_runs
from tinygpt.training.events import Event, StopRecord
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

OWN = ProcessIdentity.own()
RUNNING = RunStatus(
    state="running",
    pid=OWN.pid,
    process_started=OWN.started,
    host=platform.node(),
    preset="tiny",
    engine="numpy",
    corpus="fables",
    step=40,
    steps=100,
    saved_step=20,
    loss=2.5,
    held_out_loss=2.75,
    tokens_per_second=1234.5,
    step_seconds=0.5,
    seconds_left=90.0,
    updated_at=time.time() + 3600,  # however long the tests before take
    resume_command="invoke train --resume",
)


def write(folder: Path, status: RunStatus) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STATUS).write_text(json.dumps(asdict(status)))
    return folder


def shown(root: Path) -> str:
    console = Console(file=io.StringIO(), width=160, color_system=None)
    print_runs(list_runs(root), console)
    return console.file.getvalue()  # type: ignore[attr-defined]


# ---- what a run says of itself ---------------------------------------------------------------------------------


def test_a_run_reports_how_it_is_doing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    events = report_status(run_session(plan(out, steps=3, eval_every=2), CORPUS))
    statuses = {type(event).__name__: read_status(out) for event in events}
    begun, ended = statuses["StartRecord"], statuses["StopRecord"]
    assert begun is not None and ended is not None
    assert (begun.state, begun.step, begun.steps, begun.saved_step) == ("running", 0, 3, None)
    assert (begun.process, begun.host, begun.engine) == (OWN, platform.node(), "numpy")
    state = load_checkpoint(out).training
    assert state is not None
    assert (ended.state, ended.step, ended.saved_step, ended.seconds_left) == ("finished", 3, 3, None)
    assert ended.loss == pytest.approx(sum(state.recent_losses) / 3)
    assert ended.held_out_loss == state.held_out_loss
    assert ended.tokens_per_second is not None and ended.tokens_per_second > 0
    assert sorted(path.name for path in out.iterdir() if path.name.startswith(".")) == []


def test_a_finished_run_that_is_resumed_still_reports_its_losses(tmp_path: Path) -> None:
    wanted = plan(tmp_path / "run", steps=3)
    list(report_status(run_session(wanted, CORPUS)))
    before = read_status(wanted.out)
    statuses = [read_status(wanted.out) for _ in report_status(run_session(wanted, CORPUS, resume=True))]
    assert before is not None and before.loss is not None and before.held_out_loss is not None
    for status in statuses:
        assert status is not None and status.held_out_loss == before.held_out_loss
        assert status.loss == pytest.approx(before.loss)
    assert statuses[-1] is not None and statuses[-1].state == "finished"


def test_a_failed_run_reports_its_error(tmp_path: Path) -> None:
    with pytest.raises(DivergedError):
        list(report_status(run_session(plan(tmp_path / "run", steps=50, learning_rate=1e18), CORPUS)))
    run = read_run(tmp_path / "run")
    assert run.state == "failed" and "diverged" in run.note


def test_a_stopped_run_reports_the_command_to_resume(tmp_path: Path) -> None:
    stop = StopRequest()
    for _ in report_status(run_session(plan(tmp_path / "run"), CORPUS, stop=stop)):
        stop.request()
    run = read_run(tmp_path / "run")
    assert run.state == "stopped" and run.status is not None
    assert run.status.resume_command == f"invoke train --resume --out {tmp_path / 'run'}"


def test_a_closed_stream_is_a_stopped_run_and_an_abandoned_one_has_failed(tmp_path: Path) -> None:
    events = report_status(run_session(plan(tmp_path / "left"), CORPUS))
    for event in events:
        if isinstance(event, StepRecord) and event.step == 3:
            break
    events.close()  # type: ignore[attr-defined]
    state = load_checkpoint(tmp_path / "left").training
    assert read_run(tmp_path / "left").state == "stopped" and state is not None and state.step == 3

    def abandoned() -> Iterator[Event]:
        yield from islice(run_session(plan(tmp_path / "abandoned"), CORPUS), 2)
        raise KeyboardInterrupt  # as a second Ctrl-C does

    with pytest.raises(KeyboardInterrupt):
        list(report_status(abandoned()))
    run = read_run(tmp_path / "abandoned")
    assert run.state == "failed" and "abandoned" in run.note


def test_a_status_that_cannot_be_written_does_not_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    events = list(report_status(run_session(plan(tmp_path / "run", steps=2), CORPUS)))
    assert isinstance(events[-1], StopRecord) and events[-1].reason == "finished"


def test_files_of_a_run_without_a_checkpoint_are_no_obstacle(tmp_path: Path) -> None:
    out = write(tmp_path / "run", RUNNING)
    (out / "train.log").write_text("began\n")
    events = list(report_status(run_session(plan(out, steps=1), CORPUS)))
    assert isinstance(events[-1], StopRecord)
    assert (out / "train.log").read_text() == "began\n"


# ---- what others make of it ------------------------------------------------------------------------------------


STATES: dict[str, tuple[Callable[[Path], object], str]] = {
    "running": (lambda f: write(f, RUNNING), ""),
    "silent": (lambda f: write(f, replace(RUNNING, updated_at=time.time() - 200)), "no report for 200 s"),
    "killed": (lambda f: write(f, replace(RUNNING, process_started=OWN.started[:-1])), "saved at step 20"),
    "elsewhere": (lambda f: write(f, replace(RUNNING, host="another")), "on another"),
    "finished": (lambda f: write(f, replace(RUNNING, state="finished")), ""),
    "failed": (lambda f: write(f, replace(RUNNING, state="failed", error="disk full")), "disk full"),
    "unreadable": (lambda f: (f.mkdir(), (f / STATUS).write_text("{")), "not JSON"),
    "saved": (save, ""),
    "weights": (lambda f: save_checkpoint(f, Checkpoint(MODEL, TRAIN, arrays(1))), ""),
    "no run": (lambda f: f.mkdir(), ""),
}


@pytest.mark.parametrize("state", STATES)
def test_every_kind_of_folder_has_its_state(state: str, tmp_path: Path) -> None:
    make, note = STATES[state]
    make(tmp_path / "it")
    run = find_run("it", tmp_path)
    assert (run.state, run.folder) == (state, tmp_path / "it")
    assert note in run.note
    assert state in shown(tmp_path) and note in shown(tmp_path)


def test_long_steps_are_no_silence(tmp_path: Path) -> None:
    slow = replace(RUNNING, updated_at=time.time() - 200, step_seconds=80.0)
    assert read_run(write(tmp_path / "it", slow)).state == "running"


def test_a_damaged_checkpoint_is_unreadable_and_nothing_crashes(tmp_path: Path) -> None:
    save(tmp_path / "it")
    (tmp_path / "it" / STATE).write_text('{"training": {"step": "many"}}')
    assert read_run(tmp_path / "it").state == "unreadable"
    assert "unreadable" in shown(tmp_path)


def test_the_table_has_the_figures(tmp_path: Path) -> None:
    write(tmp_path / "first", RUNNING)
    save(tmp_path / "copied")
    (tmp_path / ".hidden").mkdir()
    lines = [" ".join(line.split()) for line in shown(tmp_path).splitlines()]
    assert lines[0] == "run state step loss held-out tokens/s left"
    assert lines[1] == "copied saved 5 of 100 1.417 2.250 – –"
    assert lines[2] == "first running 40 of 100 2.500 2.750 1,234 1:30"
    assert lines[3].startswith("CPU: ")
    assert len(lines) == 4


def test_a_held_folder_that_reports_nothing_runs_all_the_same(tmp_path: Path) -> None:
    save(tmp_path / "it")
    with folder_lock(tmp_path / "it"):
        run = read_run(tmp_path / "it")
    assert run.state == "running" and f"process {OWN.pid}" in run.note and run.step == 5


def test_names_that_are_none_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "shakespeare")
    with pytest.raises(ConfigError, match=r"unknown run 'shakespear'.*did you mean 'shakespeare'"):
        find_run("shakespear", tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        list_runs(tmp_path / "nowhere")
    assert find_run(str(tmp_path / "shakespeare"), tmp_path / "nowhere").state == "saved"


# ---- stopping --------------------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def training(out: Path) -> int:
    """A process that trains for a long time."""

    def train() -> None:
        if os.fork():
            return
        for _ in report_status(run_session(plan(out, steps=10**6, eval_every=10**6, sample_every=10**6), CORPUS)):
            pass
        os._exit(0)

    def saved() -> bool:
        status = read_status(out) if out.exists() else None
        return status is not None and status.saved_step is not None

    child = in_a_fork(train)
    wait_until(saved)
    return child


def test_a_run_is_stopped_saved_and_ended(tmp_path: Path) -> None:
    child = training(tmp_path / "run")
    try:
        assert read_run(tmp_path / "run").state == "running"
        run = stop_run("run", tmp_path, patience=60)
        assert run.state == "stopped" and run.status is not None
        state = load_checkpoint(tmp_path / "run").training
        assert state is not None and state.step == run.status.step == run.status.saved_step
        with pytest.raises(ConfigError, match="run is stopped: nothing to stop"):
            stop_run("run", tmp_path)
    finally:
        end(child)


def test_a_suspended_run_is_seen_and_woken_to_stop(tmp_path: Path) -> None:
    child = training(tmp_path / "run")
    try:
        status = read_status(tmp_path / "run")
        assert status is not None
        os.kill(status.pid, signal.SIGSTOP)
        wait_until(lambda: psutil.Process(status.pid).status() == psutil.STATUS_STOPPED)
        assert read_run(tmp_path / "run").state == "suspended"
        assert stop_run("run", tmp_path, patience=60).state == "stopped"
    finally:
        end(child)


ENDINGS = {
    "stopped": ({"saved_step": 40}, "it stopped at step 40 of 100, saved; continue with: invoke train --resume"),
    "finished": ({"saved_step": 100, "step": 100}, "it finished at step 100 of 100, saved"),
    "failed": ({"error": "disk\nfull"}, "it failed at step 40 of 100: disk full"),
}


@pytest.mark.parametrize("state", ENDINGS)
def test_the_end_of_a_stopped_run_is_one_line(state: str, tmp_path: Path) -> None:
    changes, text = ENDINGS[state]
    assert ended_text(read_run(write(tmp_path / "it", replace(RUNNING, state=state, **changes)))) == text


def test_a_run_that_does_not_stop_is_reported(tmp_path: Path) -> None:
    def deaf() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        own = ProcessIdentity.own()
        write(tmp_path / "run", replace(RUNNING, pid=own.pid, process_started=own.started))

    child = in_a_fork(deaf)
    try:
        with pytest.raises(StillRunningError, match=f"process {child} has not ended"):
            stop_run("run", tmp_path, patience=0.2)
    finally:
        end(child)
    assert read_run(tmp_path / "run").state == "killed"
