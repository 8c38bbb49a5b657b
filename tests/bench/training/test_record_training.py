from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.records.store import read_table
from bench.statistics.cells import cell_summary
from bench.statistics.training_parts import joined_training
from bench.training.record_training import RECORDED, record_events
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.errors import DivergedError
from tinygpt.system.stopping import StopRequest
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, SampleRecord, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord


def plan_in(folder: Path) -> TrainingPlan:
    return TrainingPlan(
        folder / "run",
        preset="tiny",
        corpus=f"file:{folder}/my text.txt",
        engine="vectorized[threads=1]",
        steps=6,
        seed=3,
    )


def events_of(plan: TrainingPlan, steps: int = 6):
    """Yield a session's events, with an evaluation and a sample after step 3."""
    train = plan.preset_entry.train
    yield StartRecord(plan, train, {"threads": 1}, "ef" * 32, 1000, 70464, 0, None)
    for step in range(1, steps + 1):
        yield StepRecord(step, 5.5 - 0.1 * step, 1.0, 3e-4, 0.01, 512)
        if step == 1:
            yield CheckpointRecord(1, plan.out, 0.1, True)
        if step == 3:
            yield EvaluationRecord(3, 5.3, 5.25, 0.03)
            yield SampleRecord(3, "", "text", 4, 0.8, 40, 0, 900.0, 0.01, 5.3, 5.25)


def finished(plan: TrainingPlan):
    yield from events_of(plan)
    yield StopRecord("finished", None, 0, 6, plan, 5.0, 5.25, 0.06)


def test_a_finished_run(tmp_path):
    plan, root = plan_in(tmp_path), tmp_path / "results"
    passed_on = list(record_events(finished(plan), root))
    assert passed_on == list(finished(plan))
    run = read_table("runs", root).iloc[0]
    assert (run["kind"], run["status"], run["suite"], run["engine"]) == ("train", "ok", "train", "vectorized")
    assert (run["steps_done"], run["measured_steps"], run["n_parameters"]) == (6, 6, 70464)
    assert (run["first_loss"], run["last_loss"], run["held_out_loss"]) == pytest.approx((5.4, 4.9, 5.25))
    assert run["error_tail"] is None or pd.isna(run["error_tail"])
    assert run["peak_memory_bytes"] > 10e6
    steps = read_table("steps", root)
    assert steps["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert steps["held_out_loss"].dropna().to_dict() == {2: 5.25}
    assert not steps["is_warmup"].any()
    sample = read_table("samples", root).iloc[0]
    assert (sample["text"], sample["step"], sample["top_k"], sample["engine"]) == ("text", 3, 40, "vectorized")
    # It is a training run, and no benchmark includes it.
    assert cell_summary(read_table("runs", root), steps) == []


def test_a_run_is_recorded_without_a_home_folder(tmp_path, homeless):
    list(record_events(finished(plan_in(tmp_path)), tmp_path / "results"))
    assert read_table("runs", tmp_path / "results")["status"].tolist() == ["ok"]


def test_rows_contain_no_folder_of_the_user(tmp_path):
    plan, root = plan_in(tmp_path), tmp_path / "results"
    list(record_events(finished(plan), root))
    run = read_table("runs", root).iloc[0]
    assert run["corpus"] == "file:my text.txt"
    assert run["command"] == (
        "invoke train --preset tiny --corpus 'file:my text.txt' --engine 'vectorized[threads=1]' "
        "--steps 6 --seed 3 --record"
    )
    assert not [name for name, value in run.items() if str(tmp_path) in str(value)]


def test_ctrl_c_is_an_interrupted_run(tmp_path):
    plan, root = plan_in(tmp_path), tmp_path / "results"

    def stopped():
        yield from events_of(plan, steps=4)
        yield StopRecord("interrupted", "SIGINT", 130, 4, plan, 5.2, 5.25, 0.04)

    list(record_events(stopped(), root))
    run = read_table("runs", root).iloc[0]
    assert (run["status"], run["signal"], run["exit_code"], run["steps_done"]) == ("interrupted", "SIGINT", 130, 4)
    assert "SIGINT after step 4" in run["error_tail"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DivergedError("loss nan"), "diverged"),
        (MemoryError("no memory"), "oom"),
        (ValueError("wrong"), "crashed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_an_error_is_recorded_and_raised_again(tmp_path, error, status):
    plan, root = plan_in(tmp_path), tmp_path / "results"

    def failing():
        yield from events_of(plan, steps=2)
        raise error

    with pytest.raises(type(error)):
        list(record_events(failing(), root))
    run = read_table("runs", root).iloc[0]
    assert (run["status"], run["steps_done"]) == (status, 2)
    assert run["error_tail"]


def test_kill_9_leaves_the_rows_of_the_last_checkpoint(tmp_path):
    recorded = record_events(events_of(plan_in(tmp_path)), tmp_path)
    assert isinstance([next(recorded) for _ in range(3)][-1], CheckpointRecord)
    run = read_table("runs", tmp_path).iloc[0]  # the generator is neither closed nor at its end
    assert (run["status"], run["steps_done"]) == ("interrupted", 1)
    assert run["error_tail"] == "not finished when these rows were written"


def test_a_consumer_that_stops_early(tmp_path):
    recorded = record_events(events_of(plan_in(tmp_path)), tmp_path)
    for _ in range(3):
        next(recorded)
    recorded.close()
    assert read_table("runs", tmp_path).iloc[0]["status"] == "interrupted"


def test_a_session_that_never_starts_leaves_no_rows(tmp_path):
    assert list(record_events(iter(()), tmp_path / "results")) == []
    assert not (tmp_path / "results").exists()


# ---- a run in parts ------------------------------------------------------------------------------------------


def part_of(plan: TrainingPlan, first: int, last: int, stopped: bool, saved: int | None = None):
    """Yield a session's events from step ``first`` to step ``last``, with a checkpoint at step ``saved``."""
    plan.out.mkdir(parents=True, exist_ok=True)
    yield StartRecord(plan, plan.preset_entry.train, {"threads": 1}, "ef" * 32, 1000, 70464, first - 1, None)
    for step in range(first, last + 1):
        yield StepRecord(step, 5.5 - 0.1 * step, 1.0, 3e-4, 0.01, 512)
        if step == saved:
            yield CheckpointRecord(step, plan.out, 0.1, True)
    reason = ("interrupted", "SIGINT", 130) if stopped else ("finished", None, 0)
    yield StopRecord(*reason, last, plan, 5.0, 5.25, 0.06)


def test_a_resumed_run_keeps_the_rows_of_both_parts_and_links_them(tmp_path):
    plan, root = plan_in(tmp_path), tmp_path / "results"
    list(record_events(part_of(plan, 1, 4, stopped=True), root))
    first = read_table("runs", root)["run_id"].item()
    list(record_events(part_of(plan, 5, 6, stopped=False), root))
    runs = read_table("runs", root).set_index("run_id")
    (second,) = set(runs.index) - {first}
    assert (runs.loc[first, "status"], runs.loc[second, "status"]) == ("interrupted", "ok")
    assert (pd.isna(runs.loc[first, "continues"]), runs.loc[second, "continues"]) == (True, first)
    assert sorted(read_table("steps", root)["step"]) == [1, 2, 3, 4, 5, 6]
    joined, steps = joined_training(read_table("runs", root), read_table("steps", root))
    (run,) = joined
    assert (run.run_id, run.status, run.steps_done, run.n_parts) == (second, "ok", 6, 2)
    assert (run.first_loss, run.last_loss) == pytest.approx((5.4, 4.9))
    assert run.train_loss == pytest.approx(5.5 - 0.35)  # the mean, not the last batch's
    assert run.wall_seconds == pytest.approx(runs["wall_seconds"].sum())
    assert steps["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert steps["elapsed_seconds"].is_monotonic_increasing
    assert set(steps["cell_id"]) == {run.cell_id}


def test_repeated_steps_count_once(tmp_path):
    plan, root = plan_in(tmp_path), tmp_path / "results"

    def crashes():
        yield from list(part_of(plan, 1, 5, stopped=True, saved=3))[:-1]
        raise ValueError("after two steps that no checkpoint holds")

    with pytest.raises(ValueError, match="after two steps"):
        list(record_events(crashes(), root))
    list(record_events(part_of(plan, 4, 6, stopped=False), root))
    assert len(read_table("steps", root)) == 8  # no row is deleted
    joined, steps = joined_training(read_table("runs", root), read_table("steps", root))
    assert steps["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert [run.steps_done for run in joined] == [6]


def test_a_part_after_an_unrecorded_one_is_a_run_of_its_own(tmp_path):
    plan, root = plan_in(tmp_path), tmp_path / "results"
    list(record_events(part_of(plan, 1, 2, stopped=True), root))
    list(part_of(plan, 3, 4, stopped=True))  # resumed without --record
    list(record_events(part_of(plan, 5, 6, stopped=False), root))
    joined, _ = joined_training(read_table("runs", root), read_table("steps", root))
    assert [run.n_parts for run in joined] == [1, 1]
    (plan.out / RECORDED).write_text("not JSON")
    list(record_events(part_of(plan, 7, 8, stopped=False), root))
    assert read_table("runs", root)["continues"].isna().all()


def test_a_real_session_that_is_stopped_and_resumed_is_one_run(tmp_path, corpus):
    plan = TrainingPlan(tmp_path / "run", preset="tiny", corpus="squares", engine="numpy", steps=4)
    root, stop = tmp_path / "results", StopRequest()
    for event in record_events(run_session(plan, corpus, stop=stop), root):
        if isinstance(event, StepRecord) and event.step == 2:
            stop.request()
    list(record_events(run_session(plan, corpus, resume=True), root))
    assert load_checkpoint(plan.out).training is not None
    joined, steps = joined_training(read_table("runs", root), read_table("steps", root))
    assert [(run.status, run.steps_done, run.n_parts) for run in joined] == [("ok", 4, 2)]
    assert steps["step"].tolist() == [1, 2, 3, 4]
