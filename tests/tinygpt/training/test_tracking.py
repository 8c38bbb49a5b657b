"""A run's course for other tools: what they get, and that they never end a run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.tinygpt.training.small_runs import CORPUS, losses, only, plan
from tinygpt.errors import ConfigError, MissingDependencyError
from tinygpt.training import tracking
from tinygpt.training.events import EvaluationRecord, SampleRecord, StopRecord
from tinygpt.training.session import run_session


class Notes:
    """A tracker that keeps what it gets, and fails at a step."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at, self.given, self.closed = fails_at, [], 0

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        if step == self.fails_at:
            raise OSError("no room")
        self.given.append((step, dict(values)))

    def text(self, step: int, name: str, text: str) -> None:
        self.given.append((step, name, text))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    made = Notes()

    def open_tracker(folder: Path, settings: Mapping[str, Any]) -> Notes:
        made.given.append((folder.name, settings["preset"], settings["learning_rate"]))
        return made

    module = ModuleType("a_tracker")
    module.open_tracker = open_tracker  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_tracker", module)
    kinds = {"notes": SimpleNamespace(package="sys", module="a_tracker")}
    monkeypatch.setattr(tracking, "TRACKERS", kinds)
    monkeypatch.setattr(tracking, "_SECONDS_BETWEEN", 0.0)
    return made


def test_a_tracker_gets_losses_evaluations_and_samples(notes: Notes, tmp_path: Path) -> None:
    events = list(tracking.track(run_session(plan(tmp_path / "run", eval_every=3), CORPUS), "notes"))
    assert notes.given[0] == ("run", "tiny", 3e-4)
    numbers = [item for item in notes.given[1:] if isinstance(item[1], dict)]
    assert [item[1]["train/loss"] for item in numbers if "train/loss" in item[1]] == losses(events)
    found = {(item[0], item[1]["held_out/loss"]) for item in numbers if "held_out/loss" in item[1]}
    assert found == {(event.step, event.held_out_loss) for event in only(events, EvaluationRecord)}
    texts = [item[2] for item in notes.given if item[1] == "sample"]
    assert texts == [event.prompt + event.text for event in only(events, SampleRecord)] and texts
    assert notes.closed == 1


def test_one_that_fails_ends_with_a_line_and_the_run_goes_on(
    notes: Notes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notes.fails_at = 3
    with caplog.at_level(logging.WARNING):
        events = list(tracking.track(run_session(plan(tmp_path / "run"), CORPUS), "notes"))
    assert len(losses(events)) == 6 and isinstance(events[-1], StopRecord)
    assert {item[0] for item in notes.given[1:]} == {1, 2}
    assert caplog.messages == ["notes gets nothing more, and the run goes on (OSError: no room)"]


def test_quick_steps_are_thinned(notes: Notes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_SECONDS_BETWEEN", 1000.0)
    list(tracking.track(run_session(plan(tmp_path / "run"), CORPUS), "notes"))
    assert len([item for item in notes.given if isinstance(item[1], dict) and "train/loss" in item[1]]) == 1


@pytest.mark.parametrize("name", tracking.TRACKERS)
def test_a_missing_package_is_one_line_before_the_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, tracking.TRACKERS[name].module, raising=False)
    with pytest.raises(MissingDependencyError, match=rf"--track {name} needs {name}.*tinygpt\[track\]"):
        tracking.track(iter(()), name)
    with pytest.raises(ConfigError, match="unknown tracker 'wandb'"):
        tracking.track(iter(()), "wandb")
