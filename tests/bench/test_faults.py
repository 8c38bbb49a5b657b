"""Cells that fail for real: each becomes a row that says how, and none of them stops the suite."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from rich.console import Console

from bench.cells import Arm, Suite
from bench.runner import RunSummary, run_suite
from bench.store import read_table
from tests.bench.rows import MACHINE

FAULTS = "tests.bench.faulty_engines:"
LIMIT = 30.0
LIMITS = {"Hanging": 5.0}


def faulty_suite(*names: str) -> Suite:
    arms = [Arm("numpy", "tiny", LIMIT, 1)]
    arms += [Arm(FAULTS + name if name[0].isupper() else name, "tiny", LIMITS.get(name, LIMIT), 1) for name in names]
    return Suite("quick", "", 1, tuple(arms))


@dataclasses.dataclass(frozen=True)
class FaultyRun:
    summary: RunSummary
    runs: pd.DataFrame  # by engine's name
    steps: pd.DataFrame
    samples: pd.DataFrame
    printed: str
    hanging_pids: list[int]


@pytest.fixture(scope="module")
def faulty_run(tmp_path_factory, corpus) -> FaultyRun:
    folder = tmp_path_factory.mktemp("faults")
    pids = folder / "pids"
    suite = faulty_suite(
        "Hanging", "Segfaulting", "Raising", "NotANumber", "FastAndWrong", "Hungry", "Killed", "Quitting", "Babbling",
        "NoEngine", "vectorized",
    )  # fmt: skip
    with (folder / "printed.txt").open("w") as printed, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULTY_PID_FILE", str(pids))
        summary = run_suite(
            suite, folder / "results", corpus, console=Console(file=printed, width=200), lock_file=folder / "lock"
        )
    tables = {name: read_table(name, folder / "results") for name in ("runs", "steps", "samples")}
    runs = tables["runs"].assign(name=[v.removeprefix(FAULTS) for v in tables["runs"]["variant"]]).set_index("name")
    return FaultyRun(
        summary, runs, tables["steps"], tables["samples"], (folder / "printed.txt").read_text(),
        [int(pid) for pid in pids.read_text().split()],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "status", "signal_name", "steps_done", "words"),
    [
        ("numpy", "ok", None, 18, ""),
        ("vectorized", "ok", None, 18, ""),
        ("Babbling", "ok", None, 18, ""),
        ("Hanging", "timeout", "SIGKILL", 4, "limit of 5 s reached, 4 of 18 steps done"),
        ("Segfaulting", "crashed", "SIGSEGV", 4, "ended by SIGSEGV"),
        ("Killed", "crashed", "SIGKILL", 4, "ended by SIGKILL"),
        ("Raising", "crashed", None, 4, "RuntimeError: no luck"),
        ("Quitting", "crashed", None, 4, "exit code 0 before it was done"),
        ("NoEngine", "crashed", None, 0, "not an engine"),
        ("Hungry", "oom", None, 4, "MemoryError"),
        ("NotANumber", "diverged", None, 18, "the loss of step 5 is nan"),
        ("FastAndWrong", "diverged", None, 18, "leave the reference's by 1.00%, allowed 0.1%"),
    ],
)
def test_every_end_has_its_status(faulty_run, name, status, signal_name, steps_done, words):
    row = faulty_run.runs.loc[name]
    assert row["status"] == status
    assert (row["signal"] if isinstance(row["signal"], str) else None) == signal_name
    assert row["steps_done"] == steps_done
    reason = row["error_tail"] if isinstance(row["error_tail"], str) else ""
    assert words in (reason.splitlines() or [""])[-1]
    assert (reason == "") == (status == "ok")
    # The steps that ran are kept, also those of a process that was killed.
    assert (faulty_run.steps["cell_id"] == row["cell_id"]).sum() == steps_done


def test_the_suite_went_on_to_its_end(faulty_run):
    assert len(faulty_run.runs) == faulty_run.summary.n_planned == 12
    assert faulty_run.summary.exit_code == 0
    assert faulty_run.summary.counts == {"ok": 3, "timeout": 1, "crashed": 5, "diverged": 2, "oom": 1}
    assert "12/12" in faulty_run.printed
    assert "at most" in faulty_run.printed.splitlines()[0]


def test_a_timeout_ends_the_whole_process_group(faulty_run):
    for pid in faulty_run.hanging_pids:
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert 5.0 <= faulty_run.runs.loc["Hanging", "wall_seconds"] < 20.0


def test_a_traceback_is_kept_without_the_users_paths(faulty_run):
    tail = faulty_run.runs.loc["Raising", "error_tail"]
    assert "train_step" in tail
    assert "notes.txt" in tail
    assert str(Path.home()) + "/" not in tail
    assert "secret" not in tail
    assert str(Path.cwd()) not in tail


def test_losses_agree_with_the_reference(faulty_run):
    assert faulty_run.runs.loc["vectorized", "loss_drift"] < 1e-3
    assert faulty_run.runs.loc["FastAndWrong", "loss_drift"] == pytest.approx(0.01)
    assert pd.isna(faulty_run.runs.loc["numpy", "loss_drift"])


def test_an_ok_row_is_complete(faulty_run):
    row = faulty_run.runs.loc["numpy"]
    assert row["peak_memory_bytes"] > 10e6
    assert row["setup_seconds"] > 0
    assert json.loads(row["protocol"])["corpus"] == "squares"
    assert json.loads(row["machine"])["cores"] >= 1
    mine = faulty_run.steps[faulty_run.steps["cell_id"] == row["cell_id"]]
    assert mine["is_warmup"].tolist() == [True] * 3 + [False] * 15
    assert mine["elapsed_seconds"].is_monotonic_increasing
    assert (mine["seconds"] > 0).all()
    sample = faulty_run.samples[faulty_run.samples["cell_id"] == row["cell_id"]].iloc[0]
    assert (sample["n_tokens"], sample["step"]) == (64, 18)
    assert sample["text"]


def test_nothing_ok_means_the_run_cannot_be_trusted(tmp_path, corpus, console):
    suite = dataclasses.replace(faulty_suite("Raising"), arms=(Arm(FAULTS + "Raising", "tiny", LIMIT, 1),))
    assert run_suite(suite, tmp_path, corpus, console=console, lock_file=tmp_path / "lock").exit_code == 1


def test_a_machine_that_changes_during_the_run_is_not_to_be_trusted(tmp_path, corpus, console, monkeypatch):
    monkeypatch.setattr("bench.runner.fresh_machine", lambda: MACHINE)  # what the workers will not see
    summary = run_suite(faulty_suite(), tmp_path, corpus, console=console, lock_file=tmp_path / "lock")
    assert (summary.statuses, summary.machine_changed, summary.exit_code) == (("ok",), True, 1)
    assert "do not publish" in console.file.getvalue()
    assert "Some CPU" not in read_table("runs", tmp_path)["machine"].item()  # the row holds what the worker saw


def test_refused_cells_are_rows(tmp_path, corpus, console):
    suite = faulty_suite("vectorized")
    summary = run_suite(
        suite,
        tmp_path,
        corpus,
        console=console,
        lock_file=tmp_path / "lock",
        refuse=lambda cell: "needs more than there is" if cell.variant == "vectorized" else None,
    )
    assert summary.statuses == ("ok", "refused")
    refused = read_table("runs", tmp_path).iloc[1]
    assert (refused["error_tail"], refused["steps_done"]) == ("needs more than there is", 0)


@pytest.mark.parametrize(("load", "warned"), [(50.0, True), (0.0, False), (None, False)])
def test_a_busy_machine_and_a_chosen_kernel_are_said(tmp_path, corpus, console, monkeypatch, load, warned):
    monkeypatch.setattr("bench.runner.busy_cores", lambda: load)
    if warned:
        monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    else:
        monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    run_suite(
        faulty_suite(), tmp_path, corpus, console=console, lock_file=tmp_path / "lock", refuse=lambda cell: "not today"
    )
    text = console.file.getvalue()
    assert ("The machine is busy" in text) == warned
    assert ("OPENBLAS_CORETYPE=Haswell" in text) == warned


# ---- stopping the runner -------------------------------------------------------------------------------------

RUNNER = """
import sys
from pathlib import Path
from bench.cells import Arm, Suite
from bench.runner import run_suite
from tests.bench.conftest import TEXT
from tinygpt.corpora import Corpus
folder = Path(sys.argv[1])
arms = tuple(Arm(v, "tiny", 60.0, 1) for v in ("numpy", "tests.bench.faulty_engines:Hanging", "vectorized"))
corpus = Corpus("squares", TEXT[:-2000], TEXT[-2000:], "", "")
sys.exit(run_suite(Suite("quick", "", 1, arms), folder / "results", corpus, lock_file=folder / "lock").exit_code)
"""


def start_runner(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A runner whose first cell is done and whose second one hangs; with the worker's and its child's pid."""
    pid_file = folder / "pids"
    environment = os.environ | {"FAULTY_PID_FILE": str(pid_file), "PYTHONPATH": str(Path.cwd())}
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder)], env=environment, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not pid_file.exists():
        assert time.monotonic() < deadline and runner.poll() is None, "the second cell never began to hang"
        time.sleep(0.05)
    return runner, [int(pid) for pid in pid_file.read_text().split()]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_keeps_the_rows(tmp_path, number):
    runner, pids = start_runner(tmp_path)
    runner.send_signal(number)
    runner.communicate(timeout=20)
    assert runner.returncode == 130
    for pid in pids:
        wait_until_gone(pid)
    runs = read_table("runs", tmp_path / "results")
    assert runs["status"].tolist() == ["ok", "interrupted"]  # the third cell never started: no row
    assert runs["steps_done"].tolist() == [18, 4]
    assert len(read_table("steps", tmp_path / "results")) == 22


def test_killing_the_runner_loses_only_the_cell_in_flight(tmp_path):
    runner, pids = start_runner(tmp_path)
    runner.kill()
    runner.communicate(timeout=20)
    wait_until_gone(pids[0])  # the worker does not train on unattended
    psutil.Process(pids[1]).kill()
    assert read_table("runs", tmp_path / "results")["status"].tolist() == ["ok"]
