"""A run in TensorBoard's event files and in trackio's local project, read by these packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.tinygpt.training.small_runs import CORPUS, losses, only, plan
from tinygpt.training import tracking
from tinygpt.training.events import EvaluationRecord
from tinygpt.training.session import run_session


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_SECONDS_BETWEEN", 0.0)


def test_tensorboard_reads_the_events(tmp_path: Path) -> None:
    out = tmp_path / "run"
    events = list(tracking.track(run_session(plan(out), CORPUS), "tensorboard"))
    read = EventAccumulator(str(out / "tensorboard"))
    read.Reload()
    assert [item.value for item in read.Scalars("train/loss")] == pytest.approx(losses(events))
    (evaluation,) = only(events, EvaluationRecord)[-1:]
    assert read.Scalars("held_out/loss")[-1].value == pytest.approx(evaluation.held_out_loss)
    assert {"settings", "sample"} <= {*read.Tags()["tensors"]}


def test_trackio_reads_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    from trackio.sqlite_storage import SQLiteStorage

    events = list(tracking.track(run_session(plan(tmp_path / "run"), CORPUS), "trackio"))
    assert SQLiteStorage.get_runs("tinygpt") == ["run"]
    logged = [item["train/loss"] for item in SQLiteStorage.get_logs("tinygpt", "run") if "train/loss" in item]
    assert logged == pytest.approx(losses(events))
