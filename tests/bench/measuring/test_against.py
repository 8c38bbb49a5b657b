from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.measuring import against
from bench.measuring.against import against_suite, run_against
from bench.measuring.runner import RunSummary
from bench.records.rows import Rows
from bench.records.store import read_table, write_tables
from bench.statistics.cells import cell_summary
from bench.statistics.compare import SLOWER
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


def test_the_other_commits_code_is_what_runs(repository, tmp_path, corpus, console, monkeypatch):
    monkeypatch.setattr(against, "ROUNDS", 1)
    root = tmp_path / "results"
    done = run_against(
        "slow", root, ["tiny"], ["numpy"], corpus, console=console, project=repository, lock_file=tmp_path / "lock"
    )
    runs = read_table("runs", root)
    assert runs["status"].tolist() == ["ok"] * 3
    assert runs["kind"].unique().tolist() == ["against"]
    head = git(repository, "rev-parse", "HEAD")
    assert runs["variant"].tolist() == [f"numpy@{head[:9]}", "numpy", f"numpy@{head[:9]}#2"]
    assert (runs["commit"] == head).tolist() == [True, False, True]
    assert (
        runs["command"].iloc[1] == f"invoke bench --against {head[:9]} --presets tiny --engines numpy --corpus squares"
    )
    norms = read_table("steps", root).groupby("cell_id")["grad_norm"].max()[runs["cell_id"]]
    assert (norms == MARK).tolist() == [True, False, True]
    assert (len(done.comparisons), done.exit_code) == (1, 0)
    assert runs["loss_drift"].iloc[1] < 1e-6
    assert not list((root / "local").glob("plan-*"))  # nothing that could be resumed
    # It enters no figure and no table.
    assert cell_summary(runs, read_table("steps", root)) == []


@pytest.mark.parametrize(("second", "code"), [(13.0, SLOWER), (10.0, 0)])
def test_slower_means_slower_twice(repository, tmp_path, console, monkeypatch, second, code):
    looks: list[tuple[str, ...]] = []

    def measured(suite, root, corpus, seed, console, options):
        looks.append(tuple(dict.fromkeys(arm.preset for arm in suite.arms)))
        run_id = f"run-{len(looks)}"
        times = {"vectorized": 13.0 if len(looks) == 1 else second}
        runs, steps = [], []
        for cell in suite.cells:
            slow = times.get(cell.variant, 10.0) if cell.preset == "tiny" else 10.0
            run = run_row(run_id, cell.variant, cell.preset, cell.round, rounds=6, kind="against")
            runs.append(run)
            steps += step_rows(run, [slow * (1 + 0.001 * cell.round) / 1e3] * 15)
        write_tables(root, run_id, Rows(runs, steps))
        return RunSummary(run_id, ("ok",) * len(runs), len(runs), False, False)

    monkeypatch.setattr(against, "run_suite", measured)
    done = run_against("slow", tmp_path, ["tiny", "small"], console=console, project=repository)
    assert looks == [("tiny", "small"), ("tiny",)]  # only what was slower is looked at again
    assert done.exit_code == code


def test_suites_and_bad_input(repository, tmp_path):
    suite = against_suite("1a2b3c4d5", ["tiny"], ["vectorized", "numpy"])
    assert [(cell.variant, cell.round) for cell in suite.cells[:8]] == [
        ("numpy@1a2b3c4d5", 0), ("numpy", 0), ("numpy@1a2b3c4d5#2", 0),
        ("vectorized@1a2b3c4d5", 0), ("vectorized", 0), ("vectorized@1a2b3c4d5#2", 0),
        ("vectorized@1a2b3c4d5#2", 1), ("vectorized", 1),
    ]  # fmt: skip
    for revision in ("nowhere", "--output=x"):
        with pytest.raises(ConfigError, match="is no commit of this checkout"):
            run_against(revision, tmp_path, project=repository)
    with pytest.raises(ConfigError, match="did you mean 'small'"):
        run_against("slow", tmp_path, ["smal"], project=repository)
