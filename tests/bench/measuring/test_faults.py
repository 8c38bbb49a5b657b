"""Cells that fail for real: each becomes a row that says how, and none of them stops the suite."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
from rich.console import Console

from bench.arms.suites import Arm, Cell, Suite
from bench.measuring.endings import cell_end
from bench.measuring.process import Outcome
from bench.measuring.run_plan import RunOptions
from bench.measuring.runner import RunSummary, resume_run, run_suite
from bench.records.protocol import benchmark_protocol
from bench.records.provenance import Provenance
from bench.records.rows import Rows
from bench.records.store import read_table, write_tables
from tests import environment
from tests.bench.rows import MACHINE, run_row
from tinygpt import errors
from tinygpt.errors import ResultsError, StorageError

FAULTS = "tests.bench.faulty_engines:"
LIMIT = 60.0  # seconds


def faulty_suite(*names: str) -> Suite:
    arms = [Arm("numpy", "tiny", LIMIT, 1)]
    arms += [Arm(FAULTS + name if name[0].isupper() else name, "tiny", LIMIT, 1) for name in names]
    return Suite("quick", "", 1, tuple(arms))


def end_the_wait_for_what_hangs(patch: pytest.MonkeyPatch, pids: Path) -> None:
    """Put the runner's clock forward by a cell's limit as soon as an engine hangs, and says so in a file."""
    clock = SimpleNamespace(perf_counter=lambda: time.perf_counter() + LIMIT * pids.exists(), sleep=time.sleep)
    patch.setattr("bench.measuring.process.time", clock)
    patch.setenv("FAULTY_PID_FILE", str(pids))


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
        "Hanging", "Segfaulting", "Raising", "NotANumber", "FastAndWrong", "Hungry", "Killed", "WorkerKilled",
        "Quitting", "Babbling", "NoEngine", "vectorized",
    )  # fmt: skip
    with (folder / "printed.txt").open("w") as printed, pytest.MonkeyPatch.context() as patch:
        end_the_wait_for_what_hangs(patch, pids)
        patch.setattr("bench.measuring.runner.code_sha256", lambda: "the same")
        summary = run_suite(
            suite,
            folder / "results",
            corpus,
            console=Console(file=printed, width=200),
            options=RunOptions(lock_file=folder / "lock"),
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
        ("Hanging", "timeout", "SIGKILL", 4, "limit of 60 s reached, 4 of 18 steps done"),
        ("Segfaulting", "crashed", "SIGSEGV", 4, "ended by SIGSEGV"),
        ("Killed", "crashed", "SIGKILL", 4, "ended by SIGKILL"),
        ("WorkerKilled", "crashed", None, 4, "ended by signal 9 (SIGKILL)"),
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
    assert len(faulty_run.runs) == faulty_run.summary.n_planned == 13
    assert faulty_run.summary.exit_code == 0
    assert faulty_run.summary.counts == {"ok": 3, "timeout": 1, "crashed": 6, "diverged": 2, "oom": 1}
    assert "13/13" in faulty_run.printed
    assert "at most" in faulty_run.printed.splitlines()[0]


def test_a_timeout_ends_the_whole_process_group(faulty_run):
    for pid in faulty_run.hanging_pids:
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert faulty_run.runs.loc["Hanging", "wall_seconds"] > LIMIT


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


def test_a_row_says_what_really_ran(faulty_run):
    row = faulty_run.runs.loc["vectorized"]
    assert row["resolved_variant"].startswith(f"vectorized[threads={row['threads']:.0f},kernels=n")  # not "auto"
    machine = json.loads(row["machine"])
    assert row["blas_kernel"] == machine["blas_kernel"]
    assert faulty_run.runs.loc["numpy", "threads"] == machine["blas_threads"]
    assert pd.isna(faulty_run.runs.loc["NoEngine", "resolved_variant"])


def test_nothing_ok_means_the_run_cannot_be_trusted(tmp_path, corpus, console):
    suite = dataclasses.replace(faulty_suite("Raising"), arms=(Arm(FAULTS + "Raising", "tiny", LIMIT, 1),))
    assert (
        run_suite(suite, tmp_path, corpus, console=console, options=RunOptions(lock_file=tmp_path / "lock")).exit_code
        == 1
    )


def test_a_machine_that_changes_during_the_run_is_not_to_be_trusted(tmp_path, corpus, console, monkeypatch):
    monkeypatch.setattr("bench.measuring.runner.fresh_machine", lambda: MACHINE)  # what the workers will not see
    summary = run_suite(
        faulty_suite(), tmp_path, corpus, console=console, options=RunOptions(lock_file=tmp_path / "lock")
    )
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
        options=RunOptions(
            lambda cell: "needs more than there is" if cell.variant == "vectorized" else None, tmp_path / "lock"
        ),
    )
    assert summary.statuses == ("ok", "refused")
    refused = read_table("runs", tmp_path).iloc[1]
    assert (refused["error_tail"], refused["steps_done"]) == ("needs more than there is", 0)


@pytest.mark.parametrize(("load", "warned"), [(50.0, True), (0.0, False), (None, False)])
def test_a_busy_machine_and_a_chosen_kernel_are_said(tmp_path, corpus, console, monkeypatch, load, warned):
    monkeypatch.setattr("bench.measuring.announce.busy_cores", lambda: load)
    if warned:
        monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    else:
        monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    run_suite(
        faulty_suite(),
        tmp_path,
        corpus,
        console=console,
        options=RunOptions(lambda cell: "not today", tmp_path / "lock"),
    )
    text = console.file.getvalue()
    assert ("The machine is busy" in text) == warned
    assert ("OPENBLAS_CORETYPE=Haswell" in text) == warned


# ---- stopping the runner -------------------------------------------------------------------------------------

# A runner for each folder on stdin, one after the other: a fork, so that its imports and the look at the machine are
# done. It writes the fork's id, and its exit code when it has ended.
RUNNERS = """
import os, sys
from pathlib import Path
import bench.measuring.runner as runner
from bench.arms.suites import Arm, Suite
from bench.measuring.run_plan import RunOptions
from rich.console import Console
from tests.bench.conftest import TEXT
from tinygpt.corpora import Corpus
arms = tuple(Arm(v, "tiny", 60.0, 1) for v in ("numpy", "tests.bench.faulty_engines:Hanging", "vectorized"))
suite, corpus = Suite("quick", "", 1, arms), Corpus("squares", TEXT[:-2000], TEXT[-2000:], "", "")
machine = runner.fresh_machine()
runner.fresh_machine, runner.code_sha256 = lambda: machine, lambda: "the same"
for line in sys.stdin:
    folder = Path(line.strip())
    child = os.fork()
    if child == 0:
        os.environ["FAULTY_PID_FILE"] = str(folder / "pids")
        options, console = RunOptions(lock_file=folder / "lock"), Console(file=(folder / "printed").open("w"))
        os._exit(runner.run_suite(suite, folder / "results", corpus, console=console, options=options).exit_code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def runners() -> Iterator[subprocess.Popen[str]]:
    """The process of :data:`RUNNERS`."""
    command = [sys.executable, "-c", RUNNERS]
    with subprocess.Popen(
        command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.communicate(timeout=60)


def start_runner(runners: subprocess.Popen[str], folder: Path) -> tuple[int, list[int]]:
    """A runner whose first cell is done and whose second one hangs: its pid, and the worker's and its child's."""
    assert runners.stdin is not None and runners.stdout is not None
    print(folder, file=runners.stdin, flush=True)
    runner, pid_file = int(runners.stdout.readline()), folder / "pids"
    deadline = time.monotonic() + 60
    while not pid_file.exists():
        assert time.monotonic() < deadline and psutil.pid_exists(runner), "the second cell never began to hang"
        time.sleep(0.05)
    time.sleep(0.5)  # the runner reads the steps before it
    return runner, [int(pid) for pid in pid_file.read_text().split()]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} lives on"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, runners) -> Callable[[signal.Signals], Path]:
    """The folder of a run that was ended by a signal in its second cell of three; one run for each signal."""

    @functools.cache
    def stop(number: signal.Signals) -> Path:
        folder = tmp_path_factory.mktemp(number.name)
        runner, (worker, child) = start_runner(runners, folder)
        os.kill(runner, number)
        code = int(runners.stdout.readline())
        wait_until_gone(worker)  # it does not train on unattended
        if number == signal.SIGKILL:
            psutil.Process(child).kill()
        else:
            assert code == 130
            wait_until_gone(child)
        return folder

    return stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_keeps_the_rows(stopped, number):
    results = stopped(number) / "results"
    runs = read_table("runs", results)
    assert runs["status"].tolist() == ["ok", "interrupted"]  # the third cell never started: no row
    assert runs["steps_done"].tolist() == [18, 4]
    assert len(read_table("steps", results)) == 22


def test_killing_the_runner_loses_only_the_cell_in_flight(stopped):
    assert read_table("runs", stopped(signal.SIGKILL) / "results")["status"].tolist() == ["ok"]


# ---- going on with a run that stopped ------------------------------------------------------------------------


def resumed(folder: Path, corpus, console, **changes) -> RunSummary:
    return resume_run("last", folder / "results", corpus, console, RunOptions(lock_file=folder / "lock", **changes))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_with_the_cells_that_are_missing(tmp_path, corpus, console, monkeypatch, stopped, number):
    shutil.copytree(stopped(number) / "results", tmp_path / "results")
    before = read_table("runs", tmp_path / "results")
    end_the_wait_for_what_hangs(monkeypatch, tmp_path / "pids")
    summary = resumed(tmp_path, corpus, console)
    runs = read_table("runs", tmp_path / "results")
    tried = ["ok", "interrupted", "timeout", "ok"] if number == signal.SIGINT else ["ok", "timeout", "ok"]
    assert runs["status"].tolist() == tried
    assert summary.statuses == ("ok", "timeout", "ok")
    assert runs["run_id"].nunique() == 1
    assert runs["cell_id"].is_unique
    # What was there is there still, value by value, and the later cells were judged by the first part's reference.
    pd.testing.assert_frame_equal(runs.head(len(before)), before, check_dtype=False)
    assert runs.iloc[-1]["loss_drift"] < 1e-3
    assert not list(tmp_path.rglob("plan-*.json"))
    text = console.file.getvalue()
    assert "continues: 1 of 3 cells are measured" in text
    assert "3/3" in text
    with pytest.raises(ResultsError, match="no unfinished run"):
        resumed(tmp_path, corpus, console)


def test_a_run_goes_on_under_its_own_conditions_or_not_at_all(tmp_path, corpus, console, monkeypatch):
    def stop(cell):
        raise KeyboardInterrupt

    options = RunOptions(stop, tmp_path / "lock")
    summary = run_suite(faulty_suite(), tmp_path / "results", corpus, console=console, options=options)
    assert (summary.exit_code, summary.statuses) == (130, ())
    assert f"invoke bench --resume {summary.run_id}" in console.file.getvalue()
    other = dataclasses.replace(corpus, train=corpus.train[:-100])
    with pytest.raises(ResultsError, match="the text 'squares' changed"):
        resumed(tmp_path, other, console)
    with monkeypatch.context() as patch:
        patch.setattr("bench.measuring.runner.code_sha256", lambda: "other")
        with pytest.raises(ResultsError, match="the code changed since run"):
            resumed(tmp_path, corpus, console)
    with monkeypatch.context() as patch:
        patch.setattr("bench.measuring.runner.fresh_machine", lambda: MACHINE)
        with pytest.raises(ResultsError, match=r"different machines: .*cpu"):
            resumed(tmp_path, corpus, console)
    assert resumed(tmp_path, corpus, console).statuses == ("ok",)


def test_code_that_changes_during_a_run_makes_its_rows_dirty(tmp_path, corpus, console, monkeypatch):
    hashes = iter(["before", "before", "after"])
    monkeypatch.setattr("bench.measuring.runner.code_sha256", lambda: next(hashes))
    monkeypatch.setattr("bench.measuring.runner.read_provenance", lambda: Provenance("c" * 40, False))
    options = RunOptions(lambda cell: "not today", tmp_path / "lock")
    summary = run_suite(faulty_suite("vectorized"), tmp_path, corpus, console=console, options=options)
    assert read_table("runs", tmp_path)["dirty"].tolist() == [False, True]
    assert (summary.code_changed, summary.exit_code) == (True, 1)
    assert "code changed during the run: do not publish" in console.file.getvalue()


def test_a_clock_that_goes_backwards_is_said(tmp_path, corpus, console, monkeypatch):
    times = iter([datetime(2026, 1, 2, 12, 0, tzinfo=UTC), datetime(2026, 1, 2, 11, 0, tzinfo=UTC)])
    monkeypatch.setattr("bench.measuring.runner.Outcome", lambda: Outcome(started_at=next(times)))
    options = RunOptions(lambda cell: "not today", tmp_path / "lock")
    run_suite(faulty_suite("vectorized"), tmp_path, corpus, console=console, options=options)
    assert "set back by at least 3600 s" in console.file.getvalue()
    assert len(read_table("runs", tmp_path)) == 2


def test_the_time_left_is_known_from_earlier_runs_of_this_machine(tmp_path, corpus, console, monkeypatch):
    monkeypatch.setattr("bench.measuring.runner.fresh_machine", lambda: MACHINE)
    other = MACHINE.replace("Some CPU", "Other CPU")
    for number, (machine, seconds) in enumerate([(MACHINE, 27.0), (MACHINE, 12.0), (other, 5.0)]):
        row = run_row(
            f"run-{number}", "vectorized", "tiny", number, machine=machine, wall_seconds=seconds, limit_seconds=900.0
        )
        write_tables(tmp_path, f"run-{number}", Rows([row], []))
    options = RunOptions(lambda cell: "not today", tmp_path / "lock")
    run_suite(faulty_suite("vectorized"), tmp_path, corpus, console=console, options=options)
    assert "1/2  numpy tiny round 1  refused  not today  (about 0:12 left)" in console.file.getvalue()


def test_a_results_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path, corpus, console):
    (tmp_path / "results").write_text("a file")

    def never(cell):
        raise AssertionError("a cell was started")

    with pytest.raises(StorageError, match=r"cannot write .*plan-"):
        run_suite(
            faulty_suite(), tmp_path / "results", corpus, console=console, options=RunOptions(never, tmp_path / "lock")
        )


@pytest.mark.parametrize(
    ("kind", "message", "status"),
    [
        ("CapacityError", "the system killed a worker process of the vectorized engine for want of memory", "oom"),
        ("WorkerError", "a worker process of the vectorized engine ended by signal 9 (SIGKILL)", "crashed"),
        ("WorkerError", "a worker process of the vectorized engine ended with exit code 1: MemoryError", "crashed"),
        ("UnpreparedError", "the MKL override is not loaded", "refused"),
    ],
)
def test_an_error_means_a_status(corpus, kind, message, status):
    assert kind == "UnpreparedError" or hasattr(errors, kind)
    protocol = benchmark_protocol("tiny", corpus.name, corpus.sha256, 0, 1)
    events = ({"event": "error", "type": kind, "message": message},)
    outcome = Outcome(events, exit_code=1)
    end = cell_end(Cell("vectorized", "tiny", 0, 30.0), protocol, outcome, None)
    assert end.status == status
    assert end.error_tail == f"{kind}: {message}, 0 of 18 steps done"


@pytest.mark.parametrize(
    ("counted", "status", "words"),
    [(True, "oom", "killed by the system for lack of memory"), (False, "crashed", "ended by SIGKILL")],
)
def test_sigkill_is_want_of_memory_only_where_the_kernel_counted_one(corpus, counted, status, words):
    protocol = benchmark_protocol("tiny", corpus.name, corpus.sha256, 0, 1)
    outcome = Outcome(signal="SIGKILL", out_of_memory=counted)
    end = cell_end(Cell("numpy", "tiny", 0, 30.0), protocol, outcome, None)
    assert (end.status, end.error_tail) == (status, f"{words}, 0 of 18 steps done")


def test_a_clock_that_cannot_be_trusted_makes_the_cell_a_crash(corpus):
    protocol = benchmark_protocol("tiny", corpus.name, corpus.sha256, 0, 1)
    steps = tuple({"event": "step", "step": n + 1, "seconds": 0.1 if n else -0.2, "loss": 5.0} for n in range(18))
    outcome = Outcome((*steps, {"event": "done"}), exit_code=0)
    end = cell_end(Cell("numpy", "tiny", 0, 30.0), protocol, outcome, None)
    assert end.status == "crashed"
    assert "a step took -0.2 s: the clock cannot be trusted" in end.error_tail


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        (Cell("python", "small", 0, 10.0), "; suite full allows 1200 s"),
        (Cell("numpy", "small", 0, 60.0), ""),  # what suite full grants as well
        (Cell("vectorized", "huge", 0, 360.0, generates=True), ""),  # which suite full does not measure
    ],
)
def test_a_timeout_names_the_suite_that_grants_more_only_if_it_does(corpus, cell, advice):
    protocol = benchmark_protocol(cell.preset, corpus.name, corpus.sha256, 0, 1)
    end = cell_end(cell, protocol, Outcome(killed_for="limit"), None)
    assert end.status == "timeout"
    assert end.error_tail == f"limit of {cell.limit_seconds:g} s reached, 0 of 18 steps done{advice}"
