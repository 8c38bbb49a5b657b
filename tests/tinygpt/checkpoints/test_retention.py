"""Kept checkpoints: the last ones and the best, separate from the newest, and restored on demand."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, save, state, step_of
from tests.tinygpt.system.test_staging import Crash, CrashAfter
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import ADAPTER, ADAPTER_CONFIG, BASE_CONFIG, FILES, OPTIMIZER, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.retention import kept_checkpoints
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.errors import CheckpointError
from tinygpt.optim import OptimizerState
from tinygpt.runs.manage import read_run, restore_run
from tinygpt.runs.status import report_status
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, StepRecord
from tinygpt.training.resume import newest_sound
from tinygpt.training.session import run_session

WHOLE = FILES - {ADAPTER, ADAPTER_CONFIG, BASE_CONFIG}  # of a model with its weights


def save_step(folder: Path, step: int, keep: int = 2) -> None:
    optimizer = OptimizerState(step, arrays(1000 + step), arrays(2000 + step))
    save_checkpoint(folder, Checkpoint(MODEL, TRAIN, arrays(step), optimizer, state(step)), keep=keep)


def kept_steps(folder: Path) -> list[int]:
    for step, path in kept_checkpoints(folder).items():
        assert step_of(path) == step
    return list(kept_checkpoints(folder))


def test_the_last_ones_stay_and_older_ones_go(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    found = []
    for step in (1, 4, 9, 12, 20):
        save_step(folder, step)
        found.append((step_of(folder), kept_steps(folder)))
    assert found == [(1, []), (4, [1]), (9, [4, 1]), (12, [9, 4]), (20, [12, 9])]
    save_step(folder, 21, keep=0)
    assert kept_steps(folder) == []


def test_keeping_costs_no_second_copy(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save_step(folder, 1)
    written = (folder / WEIGHTS).stat().st_ino
    save_step(folder, 2)
    assert (folder / "checkpoints" / "step-00000001" / WEIGHTS).stat().st_ino == written


def test_without_hard_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    for step in (1, 2, 3):
        save_step(tmp_path / "run", step)
    assert kept_steps(tmp_path / "run") == [2, 1]


def test_a_step_that_is_saved_again_is_not_also_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for step in (1, 2, 3):
        save_step(folder, step)
    save_step(folder, 3)
    assert kept_steps(folder) == [2, 1]
    save_step(folder, 2)  # as a run does that went on from step 1
    assert kept_steps(folder) == [1]


def test_a_checkpoint_that_lost_a_file_is_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save_step(folder, 1)
    save_step(folder, 2)
    (folder / OPTIMIZER).unlink()
    save_step(folder, 3)
    assert kept_steps(folder) == [1]


def test_foreign_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save_step(folder, 1)
    save_step(folder, 2)
    mine = folder / "checkpoints" / "mine"
    mine.mkdir()
    (mine / WEIGHTS).write_text("a copy")
    (folder / "checkpoints" / "step-00000001" / "notes.txt").write_text("why")
    for step in range(3, 7):
        save_step(folder, step)
    assert (mine / WEIGHTS).read_text() == "a copy"
    assert (folder / "checkpoints" / "step-00000001" / "notes.txt").read_text() == "why"
    assert sorted(path.name for path in (folder / "checkpoints" / "step-00000001").iterdir()) == ["notes.txt"]


def test_a_crash_at_any_moment_leaves_every_kept_checkpoint_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # a process that dies loses nothing by it
    for step in (1, 2, 3):
        save_step(tmp_path / "before", step)
    save(tmp_path / "before" / "checkpoints" / "best", step=2)
    outcomes = set()
    for n in range(1, 300, 2):
        folder = tmp_path / str(n) / "run"
        shutil.copytree(tmp_path / "before", folder)
        with pytest.MonkeyPatch.context() as patch:
            counter = CrashAfter(patch, n)
            with contextlib.suppress(Crash):
                save_step(folder, 4)
        newest = step_of(folder)
        outcomes.add(newest)
        kept = set(kept_steps(folder))
        assert {newest - 1, newest - 2} <= kept <= {1, 2, 3, 4}, "older and equal ones may wait for the next save"
        assert step_of(folder / "checkpoints" / "best") == 2
        save_step(folder, 5)
        assert kept_steps(folder) == [newest, newest - 1]
        assert {path.name for path in folder.iterdir()} == {*WHOLE, "checkpoints"}
        if counter.calls < n:
            break
    assert n > 40
    assert outcomes == {3, 4}


# ---- in a run --------------------------------------------------------------------------------------------------


def test_a_run_keeps_its_last_checkpoints_and_its_best(tmp_path: Path) -> None:
    wanted = plan(tmp_path / "run", steps=7, eval_every=2, checkpoint_every=2, keep=2, learning_rate=0.05)
    events = list(run_session(wanted, CORPUS))
    evaluations = {event.step: event.held_out_loss for event in events if isinstance(event, EvaluationRecord)}
    best = min(evaluations, key=evaluations.__getitem__)
    assert kept_steps(tmp_path / "run") == [6, 4]
    kept = load_checkpoint(tmp_path / "run" / "checkpoints" / "best")
    assert kept.training is not None and kept.optimizer is None
    assert (kept.training.step, kept.training.held_out_loss) == (best, evaluations[best])
    assert [event.step for event in events if isinstance(event, CheckpointRecord) and event.best] == [
        step for step in evaluations if evaluations[step] == min(v for s, v in evaluations.items() if s <= step)
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """A run of four steps that saved after each step, and its losses."""
    out = tmp_path_factory.mktemp("finished") / "run"
    wanted = plan(out, steps=4, checkpoint_every=1, eval_every=9, sample_every=9)
    return out, [event.loss for event in run_session(wanted, CORPUS) if isinstance(event, StepRecord)]


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_damaged_newest_checkpoint_can_be_replaced_by_the_last_good_one(
    finished: tuple[Path, list[float]], tmp_path: Path, name: str
) -> None:
    out, whole = shutil.copytree(finished[0], tmp_path / "run"), finished[1]
    wanted = plan(out, steps=4, checkpoint_every=1, eval_every=9, sample_every=9)
    for folder in (out, out / "checkpoints" / "step-00000003"):  # the newest, and the newest of the kept ones
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=r"step-00000002 is; run: invoke restore .*then --resume"):
        list(run_session(wanted, CORPUS, resume=True))
    assert newest_sound(out) == (2, out / "checkpoints" / "step-00000002")
    step, problem = restore_run("run", tmp_path)
    assert step == 2 and problem is not None and name in problem
    assert restore_run("run", tmp_path) == (2, None), "a sound checkpoint stays"
    again = [event.loss for event in run_session(wanted, CORPUS, resume=True) if isinstance(event, StepRecord)]
    assert again == whole[2:]


def test_without_a_sound_one_there_is_nothing_to_restore(tmp_path: Path) -> None:
    save_step(tmp_path / "run", 1)
    (tmp_path / "run" / WEIGHTS).write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of the kept ones is"):
        restore_run("run", tmp_path)


def test_after_a_restore_the_run_is_listed_at_the_restored_step(tmp_path: Path) -> None:
    wanted = plan(tmp_path / "run", steps=4, checkpoint_every=1, eval_every=9, sample_every=9)
    list(report_status(run_session(wanted, CORPUS)))
    (tmp_path / "run" / WEIGHTS).unlink()
    assert restore_run("run", tmp_path)[0] == 3
    run = read_run(tmp_path / "run")
    assert (run.state, run.step, run.note) == ("stopped", 3, "restored; 1 later steps are gone")
