from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.arms.suites import SUITES, Arm
from bench.measuring import against
from bench.measuring.against import against_suite, run_against
from bench.measuring.runner import RunSummary
from bench.measuring.trees import run_commits
from bench.records.rows import Rows
from bench.records.store import read_table, write_tables
from bench.statistics.cells import cell_summary
from bench.statistics.compare import INCONCLUSIVE, NOT_MEASURED, SLOWER
from bench.terminal.show import print_comparison
from tests import ROOT
from tests.bench.rows import run_row, step_rows
from tests.git import git
from tinygpt.errors import ConfigError

MARK = 12345.0  # the gradient norm that the other commit's engine reports


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A repository whose one commit has a numpy engine that is slow and reports a norm of its own."""
    folder = tmp_path_factory.mktemp("repository")
    for package in ("tinygpt", "bench"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    engine = folder / "tinygpt" / "engines" / "numpy.py"
    text = engine.read_text()
    head, step, rest = text.partition("    def train_step(")
    signature, colon, body = rest.partition(":\n")
    assert step and colon
    body = body.replace("return StepResult(loss, norm)", f"return StepResult(loss, {MARK})", 1)
    engine.write_text(f"{head}{step}{signature}{colon}        __import__('time').sleep(0.1)\n{body}")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "slow"], ["tag", "slow"]):
        git(folder, *command)
    return folder


def test_the_other_commits_code_is_what_runs(repository, tmp_path, corpus, console):
    root = tmp_path / "results"
    done = run_against(
        "slow", root, ["tiny"], ["numpy"], corpus, rounds=1, console=console, project=repository,
        lock_file=tmp_path / "lock",
    )  # fmt: skip
    runs = read_table("runs", root)
    assert runs["status"].tolist() == ["ok"] * 2
    assert runs["kind"].unique().tolist() == ["against"]
    head = git(repository, "rev-parse", "HEAD")
    assert runs["variant"].tolist() == [f"numpy@{head[:9]}", "numpy"]
    assert (runs["commit"] == head).tolist() == [True, False]
    assert (
        runs["command"].iloc[1] == f"invoke bench --against {head[:9]} --presets tiny --engines numpy --corpus squares"
    )
    norms = read_table("steps", root).groupby("cell_id")["grad_norm"].max()[runs["cell_id"]]
    assert (norms == MARK).tolist() == [True, False]
    (point,) = done.comparison.points
    assert point.before_seconds > 0.1 > point.after_seconds  # the commit sleeps
    assert (point.finding.outcome, done.exit_code) == ("inconclusive", INCONCLUSIVE)  # one round excludes nothing
    assert runs["loss_drift"].iloc[1] < 1e-6
    assert not list((root / "local").glob("plan-*"))  # nothing that could be resumed
    # It enters no figure and no table.
    assert cell_summary(runs, read_table("steps", root)) == []


def test_a_suite_with_other_commits_runs_their_code_beside_this_checkouts(repository, tmp_path, corpus, console):
    head = git(repository, "rev-parse", "HEAD")
    arms = tuple(Arm(variant, "tiny", 60.0, 1) for variant in ("numpy", "numpy#2", f"numpy@{head[:9]}"))
    suite = replace(SUITES["history"], rounds=1, arms=arms)
    assert suite.has_commits and not SUITES["standard"].has_commits
    done = run_commits(suite, tmp_path, corpus, console=console, project=repository, lock_file=tmp_path / "lock")
    assert (done.exit_code, done.counts) == (0, {"ok": 3})
    runs = read_table("runs", tmp_path)
    assert (runs["kind"].unique().tolist(), runs["suite"].unique().tolist()) == (["against"], ["history"])
    assert (runs["commit"] == head).tolist() == [False, False, True]
    assert runs["command"].iloc[2] == (
        f"invoke bench --suite history --presets tiny --engines numpy@{head[:9]} --rounds 1 --corpus squares"
    )
    norms = read_table("steps", tmp_path).groupby("cell_id")["grad_norm"].max()[runs["cell_id"]]
    assert (norms == MARK).tolist() == [False, False, True]


def simulated(times, looks, noise=0.02, fails=()):
    """A ``run_suite`` that takes ``times`` milliseconds by (variant, preset), 10 by default, in noisy rounds."""
    rng = np.random.default_rng(0)

    def measured(suite, root, corpus, seed, console, options):
        looks.append((suite.rounds, *dict.fromkeys(arm.preset for arm in suite.arms)))
        run_id = f"run-{len(looks)}"
        runs, steps = [], []
        for cell in suite.cells:
            status = "crashed" if cell.arm in fails else "ok"
            run = run_row(
                run_id, cell.variant, cell.preset, cell.round, rounds=suite.rounds, kind="against", status=status
            )
            runs.append(run)
            if status == "ok":
                seconds = times.get(cell.arm, 10.0) * float(np.exp(noise * rng.standard_normal())) / 1e3
                steps += step_rows(run, [seconds] * 15)
        write_tables(root, run_id, Rows(runs, steps))
        return RunSummary(run_id, ("ok",) * len(runs), len(runs), False, False)

    return measured


def test_a_cell_is_measured_until_something_can_be_said(repository, tmp_path, console, monkeypatch):
    looks: list[tuple[str, ...]] = []
    times = {("vectorized", "tiny"): 13.0, ("vectorized", "medium"): 10.5}
    monkeypatch.setattr(against, "run_suite", simulated(times, looks, noise=0.05))
    done = run_against("slow", tmp_path, ["tiny", "small", "medium"], console=console, project=repository)
    outcomes = {point.preset: point.finding.outcome for point in done.comparison.points}
    assert outcomes["tiny"] == "slower"
    assert done.exit_code == SLOWER
    assert looks[0] == (12, "tiny", "small", "medium")
    assert all("tiny" not in look for look in looks[1:])  # 30 % is seen after twelve rounds
    assert sum(look[0] for look in looks) <= 24
    print_comparison(done.comparison, console)
    text = console.file.getvalue()
    assert "Slower: vectorized at tiny" in text
    assert "detectable from" in text


def test_what_noise_hides_is_inconclusive_and_has_an_exit_code(repository, tmp_path, console, monkeypatch):
    looks: list[tuple[str, ...]] = []
    monkeypatch.setattr(against, "run_suite", simulated({}, looks, noise=0.4))
    done = run_against("slow", tmp_path, ["tiny"], console=console, project=repository)
    (point,) = done.comparison.points
    assert [look[0] for look in looks] == [12, 6, 6]
    assert (point.finding.outcome, done.exit_code) == ("inconclusive", INCONCLUSIVE)
    assert 0.2 < point.finding.detectable < 1.0


def test_a_cell_that_fails_is_missing(repository, tmp_path, console, monkeypatch):
    looks: list[tuple[str, ...]] = []
    monkeypatch.setattr(against, "run_suite", simulated({}, looks, fails={("vectorized", "tiny")}))
    done = run_against("slow", tmp_path, ["tiny", "small"], console=console, project=repository)
    assert [point.preset for point in done.comparison.points] == ["small"]
    assert "vectorized at tiny" in done.comparison.missing[0] and "crashed" in done.comparison.missing[0]
    assert done.exit_code == NOT_MEASURED
    assert all("tiny" not in look for look in looks[1:])


def test_suites_and_bad_input(repository, tmp_path):
    suite = against_suite("1a2b3c4d5", ["tiny"], ["vectorized", "numpy"])
    assert [(cell.variant, cell.round) for cell in suite.cells[:6]] == [
        ("numpy@1a2b3c4d5", 0), ("numpy", 0), ("vectorized@1a2b3c4d5", 0), ("vectorized", 0),
        ("vectorized", 1), ("vectorized@1a2b3c4d5", 1),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="rounds is 0"):
        run_against("slow", tmp_path, rounds=0, project=repository)
    for revision in ("nowhere", "--output=x"):
        with pytest.raises(ConfigError, match="is no commit of this checkout"):
            run_against(revision, tmp_path, project=repository)
    with pytest.raises(ConfigError, match="did you mean 'small'"):
        run_against("slow", tmp_path, ["smal"], project=repository)
