"""Runs by the clock: the rate follows the time, the run ends with it, and a resumed run knows what is left."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.tinygpt.training.small_runs import CORPUS, only, plan
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.schedule import learning_rate_at
from tinygpt.training.events import EvaluationRecord, PlanRecord, StopRecord
from tinygpt.training.session import run_session
from tinygpt.training.timetable import Timetable
from tinygpt.training.trainer import StepRecord

MINUTES = 0.03


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_for_the_end_is_kept_and_steps_are_planned_from_the_speed_so_far() -> None:
    clock = Clock()
    table = Timetable(100.0, clock)
    table.keep_for_the_end(20.0)
    clock.now = 40.0
    assert table.done == 0.5 and table.planned_steps(300) == 600
    assert not table.is_over(40.0) and table.is_over(40.1)
    table.keep_for_the_end(90.0)
    assert table.reserve == 30.0, "a slow end does not take the whole time"
    clock.now = 1000.0
    assert table.done == 1.0 and table.planned_steps(7) == 7


def test_every_tenth_is_announced_once() -> None:
    clock = Clock()
    table = Timetable(100.0, clock)
    table.keep_for_the_end(0.0)
    found = []
    for second in range(101):
        clock.now = float(second)
        found += [second] * table.next_tenth()
    assert found == [*range(10, 101, 10)]
    clock.now = 55.0
    assert not Timetable(100.0, clock).next_tenth(), "a resumed run does not repeat the tenth it is in"


def test_the_rate_is_a_function_of_the_time_that_has_passed() -> None:
    train = TrainConfig(8, 1.0, warmup_steps=2, decay_steps=5, decay_to=0.0, decay_shape="linear", decay_from=0.5)
    rates = [learning_rate_at(train, 1000, done) for done in (0.0, 0.5, 0.75, 1.0, 1.2)]
    assert rates == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
    assert learning_rate_at(train, 0, 0.75) == pytest.approx(0.5 / 3), "the warm-up counts updates"


def test_a_run_by_the_clock_ends_with_its_time_and_its_rate(tmp_path: Path) -> None:
    timed = plan(tmp_path / "run", recipe="muon", warmup_steps=0, minutes=MINUTES, steps=10_000)
    start = time.perf_counter()
    events = list(run_session(timed, CORPUS))
    seconds = time.perf_counter() - start
    assert seconds < 60 * MINUTES + 2.0
    rates = [event.learning_rate for event in only(events, StepRecord)]  # type: ignore[attr-defined]
    assert rates[-1] < 0.7 * max(rates)
    stop, planned = events[-1], only(events, PlanRecord)
    assert isinstance(stop, StopRecord) and stop.reason == "finished"
    assert stop.plan.steps == stop.step == len(rates)
    assert planned and only(events, EvaluationRecord)
    training = load_checkpoint(tmp_path / "run").training
    assert training is not None and training.planned_steps == stop.step and training.settings["minutes"] == MINUTES
    again = list(run_session(plan(tmp_path / "run", minutes=MINUTES, steps=stop.step), CORPUS, resume=True))
    assert not only(again, StepRecord), "a finished run has no time left"


def test_a_stopped_run_has_the_rest_of_its_time(tmp_path: Path) -> None:
    minutes = 0.1
    timed = plan(tmp_path / "run", minutes=minutes, steps=10_000, recipe="muon")
    session = run_session(timed, CORPUS)
    for event in session:
        if isinstance(event, StepRecord) and event.step == 5:
            session.close()  # type: ignore[attr-defined]
            break
    state = load_checkpoint(tmp_path / "run").training
    assert state is not None and state.step == 5 and 0 < state.elapsed_seconds < 60 * minutes
    later = plan(
        tmp_path / "run", minutes=minutes, steps=10_000, seconds_before=60 * minutes - state.elapsed_seconds - 1.5
    )
    start = time.perf_counter()
    rest = list(run_session(later, CORPUS, resume=True))
    assert time.perf_counter() - start < 4.0, "the seconds before the session count too"
    steps = only(rest, StepRecord)
    assert not steps or steps[0].step == 6  # type: ignore[attr-defined]
    stop = rest[-1]
    assert isinstance(stop, StopRecord) and stop.reason == "finished"


def test_a_time_that_is_over_before_the_first_step_takes_one(tmp_path: Path) -> None:
    events = list(run_session(plan(tmp_path / "run", minutes=1e-4), CORPUS))
    stop = events[-1]
    assert isinstance(stop, StopRecord) and (stop.reason, stop.step, stop.plan.steps) == ("finished", 1, 1)


def test_a_time_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="minutes is 0"):
        plan(tmp_path / "run", minutes=0.0)
