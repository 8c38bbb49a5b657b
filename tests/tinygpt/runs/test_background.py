"""Training in the background: the log, the first checkpoint, ignored hang-ups, and immediate refusals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests import ROOT
from tinygpt.errors import StorageError
from tinygpt.runs.background import LOG, train_in_background
from tinygpt.system.folder_lock import LOCK, require_free_lock
from tinygpt.system.priority import step_back
from tinygpt.training.plan import TrainingPlan

TRAIN = ["train", "--preset", "tiny", "--corpus", "file:text.txt", "--engine", "numpy", "--ignore-memory"]


def invoke(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *arguments],
        cwd=folder,
        env=os.environ | {"TERM": "dumb", "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("background")
    (folder / "text.txt").write_text("The fox saw a hen. The hen saw the fox and went home over the wall.\n" * 300)
    return folder


def test_a_run_in_the_background_is_started_seen_and_stopped(folder: Path) -> None:
    """Test one run from start to end: every start of an interpreter costs a second."""
    started = invoke(folder, *TRAIN, "--steps", "1000000", "--out", "runs/first", "--detach", "--gentle")
    assert started.returncode == 0, started.stderr
    assert "saved at step 1, read back and compared" in started.stdout
    pid = int(started.stdout.split("process ")[1].split(":")[0])
    process = psutil.Process(pid)
    try:
        assert os.getsid(pid) == pid, "a session of its own"
        os.kill(pid, signal.SIGHUP)  # what a closing terminal sends
        assert process.nice() == 19
        time.sleep(0.3)
        assert process.is_running()
        refused = invoke(folder, *TRAIN, "--steps", "1000000", "--out", "runs/first", "--resume", "--detach")
        assert refused.returncode == 2
        assert f"process {pid} is training into runs/first" in refused.stderr
        listed = invoke(folder, "runs")
        assert "first" in listed.stdout and "running" in listed.stdout and "CPU: " in listed.stdout
        stopped = invoke(folder, "runs", "stop", "first")
        assert stopped.returncode == 0, stopped.stderr
        line = (
            r"first stopped at step [\d,]+ of 1,000,000, saved; continue with: invoke train --resume --out runs/first\n"
        )
        assert re.fullmatch(line, stopped.stdout)
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    finally:
        if process.is_running():
            process.kill()
    log = (folder / "runs" / "first" / "train.log").read_text()
    assert "saved step 1 to runs/first" in log and "stopped by SIGTERM and saved" in log
    assert "Traceback" not in log


def test_a_run_that_cannot_start_is_refused_at_once_and_leaves_nothing(folder: Path) -> None:
    (folder / "short.txt").write_text("x" * 40)
    words = ["train", "--preset", "tiny", "--corpus", "file:short.txt", "--out", "runs/none", "--detach"]
    done = invoke(folder, *words)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "the text has" in done.stderr
    assert not (folder / "runs" / "none").exists()


def test_stepping_back_reaches_every_thread() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        step_back()
        threads = [int(entry.name) for entry in Path("/proc/self/task").iterdir()]
        lowest = all(os.getpriority(os.PRIO_PROCESS, thread) == 19 for thread in threads)
        os.write(write, b"yes" if lowest and os.getpriority(os.PRIO_PROCESS, 0) == 19 else b"no")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 3) == b"yes"
    os.close(read)
    os.close(write)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", [LOG, LOCK])
def test_a_pipe_in_the_run_s_folder_is_no_reason_to_wait(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / name)
    if name == LOCK:
        require_free_lock(tmp_path / "run")
        return
    with pytest.raises(StorageError, match=LOG):
        train_in_background(TrainingPlan(tmp_path / "run", preset="tiny"), resume=False)


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "run" / LOG).symlink_to(tmp_path / "mine.txt")
    with pytest.raises(StorageError, match=f"cannot write .*{LOG}"):
        train_in_background(TrainingPlan(out=tmp_path / "run", preset="tiny"), resume=False)
    assert (tmp_path / "mine.txt").read_text() == "mine"
