"""Sessions: the order of events, and refusals and failures without loss."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tinygpt.training.small_runs import CORPUS, losses, only, plan
from tinygpt.checkpoints import saving
from tinygpt.checkpoints.layout import BEST, KEPT, STATE, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.data import BatchSampler, evaluation_batches
from tinygpt.engines import create_engine
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.errors import CheckpointError, ConfigError, CorpusError, DivergedError, StorageError
from tinygpt.generation.decoding import generate_text
from tinygpt.presets import PRESETS
from tinygpt.runs.status import read_status, report_status
from tinygpt.system.staging import SAVED, SAVING
from tinygpt.training.events import CheckpointRecord, EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

# ---- the stream ----------------------------------------------------------------------------------------------


def test_events_come_in_order(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    assert [(type(event).__name__, getattr(event, "step", None)) for event in events] == [
        ("StartRecord", None),
        ("StepRecord", 1),
        ("CheckpointRecord", 1),
        ("StepRecord", 2),
        ("EvaluationRecord", 2),
        ("CheckpointRecord", 2),
        ("StepRecord", 3),
        ("SampleRecord", 3),
        ("StepRecord", 4),
        ("EvaluationRecord", 4),
        ("CheckpointRecord", 4),
        ("CheckpointRecord", 4),
        ("StepRecord", 5),
        ("StepRecord", 6),
        ("EvaluationRecord", 6),
        ("CheckpointRecord", 6),
        ("SampleRecord", 6),
        ("CheckpointRecord", 6),
        ("StopRecord", 6),
    ]
    start, stop = events[0], events[-1]
    assert isinstance(start, StartRecord) and isinstance(stop, StopRecord)
    assert (start.n_parameters, start.first_step, start.corpus_sha256) == (70_464, 0, CORPUS.sha256)
    assert (stop.reason, stop.signal, stop.exit_code) == ("finished", None, 0)
    saved = [event for event in events if isinstance(event, CheckpointRecord)]
    assert [event.step for event in saved if event.verified] == [1]
    assert [event.step for event in saved if event.best] == [2, 4, 6]  # the loss fell every time
    assert all(event.path == (out / "checkpoints" / "best" if event.best else out) for event in saved)


def test_the_session_trains_as_the_engine_would_alone(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    preset = PRESETS["tiny"]
    engine = create_engine("numpy", preset.model, preset.train, 3)
    sampler = BatchSampler(CORPUS.train_tokens, 16, 32, 3)
    expected = [engine.train_step(b.inputs, b.targets).loss for b in (sampler.batch(step) for step in range(6))]
    assert losses(events) == expected
    for name, array in engine.state_dict().items():
        np.testing.assert_array_equal(load_checkpoint(out).weights[name], array)


def test_evaluations_are_of_the_held_out_text(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    last = only(events, EvaluationRecord)[-1]
    assert isinstance(last, EvaluationRecord)
    engine = create_engine("numpy", PRESETS["tiny"].model, PRESETS["tiny"].train, 0)
    engine.load_state_dict(load_checkpoint(out).weights)
    batches = evaluation_batches(CORPUS.held_out_tokens, 16, 32, 2)
    rows = [len(batch.inputs) for batch in batches]
    expected = np.average([engine.loss(batch.inputs, batch.targets) for batch in batches], weights=rows)
    assert last.held_out_loss == pytest.approx(float(expected), rel=1e-12)
    assert last.train_loss == pytest.approx(np.mean(losses(events)))


def test_samples_are_generated_from_the_weights(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    last = only(events, SampleRecord)[-1]
    assert isinstance(last, SampleRecord)
    assert last.text == generate_text(load_checkpoint(out), "", 12, temperature=0.8, top_k=40, seed=0)
    assert (last.n_tokens, last.temperature, last.top_k, last.seed) == (12, 0.8, 40, 0)
    assert last.tokens_per_second > 0 and last.first_token_seconds > 0
    assert last.held_out_loss == only(events, EvaluationRecord)[-1].held_out_loss  # type: ignore[attr-defined]


def test_the_checkpoint_holds_where_the_run_stands(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, events = uninterrupted
    state = load_checkpoint(out).training
    assert state is not None
    evaluations = {event.step: event.held_out_loss for event in events if isinstance(event, EvaluationRecord)}
    best = min(evaluations, key=evaluations.__getitem__)
    assert (state.step, state.seed, state.preset, state.corpus, state.engine) == (6, 3, "tiny", "fables", "numpy")
    assert (state.corpus_sha256, state.planned_steps) == (CORPUS.sha256, 6)
    assert (state.best_step, state.best_held_out_loss) == (best, evaluations[best])
    assert list(state.recent_losses) == losses(events)
    assert state.elapsed_seconds > 0


def test_checkpoints_follow_the_clock_too(tmp_path: Path) -> None:
    events = list(
        run_session(plan(tmp_path / "run", steps=4, eval_every=9, sample_every=9, checkpoint_seconds=1e-9), CORPUS)
    )
    saved = [event.step for event in events if isinstance(event, CheckpointRecord) and not event.best]
    assert saved == [1, 2, 3, 4]


def test_a_learning_rate_replaces_the_presets(tmp_path: Path) -> None:
    events = list(run_session(plan(tmp_path / "run", steps=2, learning_rate=0.01), CORPUS))
    assert {event.learning_rate for event in only(events, StepRecord)} == {0.01}  # type: ignore[attr-defined]
    assert load_checkpoint(tmp_path / "run").train.learning_rate == 0.01


# ---- refusals and failures -----------------------------------------------------------------------------------


def test_a_new_run_does_not_replace_an_old_one(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, _ = uninterrupted
    with pytest.raises(ConfigError, match=r"already holds a checkpoint.*--resume"):
        list(run_session(plan(out), CORPUS))
    assert load_checkpoint(out).training is not None


def test_a_new_run_refuses_a_folder_with_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="holds files but no checkpoint"):
        list(run_session(plan(tmp_path), CORPUS))
    with pytest.raises(StorageError, match="is a file"):
        list(run_session(plan(tmp_path / "thesis.tex"), CORPUS))
    (tmp_path / "empty").mkdir()
    assert isinstance(list(run_session(plan(tmp_path / "empty", steps=1), CORPUS))[-1], StopRecord)


def test_a_text_that_is_too_short_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    for corpus in (replace(CORPUS, train=b"short"), replace(CORPUS, held_out=b"short")):
        with pytest.raises(CorpusError, match="5 tokens"):
            list(run_session(plan(tmp_path / "run"), corpus))
    assert not (tmp_path / "run").exists()


def test_divergence_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"step \d+: loss .*learning rate"):
        list(run_session(plan(tmp_path / "run", steps=50, learning_rate=1e18), CORPUS))
    assert load_checkpoint(tmp_path / "run").training is not None


def test_an_export_that_does_not_read_back_stops_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
        half = {name: array.astype(np.float16).astype(np.float32) for name, array in tensors.items()}
        original(path, half, metadata)

    original = saving.write_tensors
    monkeypatch.setattr(saving, "write_tensors", lossy)
    seen = []
    with pytest.raises(CheckpointError, match=r"read back with another weight 'wte\.weight'"):
        for event in run_session(plan(tmp_path / "run"), CORPUS):
            seen.append(type(event))  # noqa: PERF401 - what came before the error is the point
    assert seen == [StartRecord, StepRecord]


def test_a_full_disk_in_the_middle_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = run_session(plan(tmp_path / "run", checkpoint_every=3), CORPUS)
    with pytest.raises(StorageError, match="No space left"):
        for event in session:
            if isinstance(event, CheckpointRecord):

                def full(_descriptor: int) -> None:
                    raise OSError(28, "No space left on device")

                monkeypatch.setattr(os, "fsync", full)
    monkeypatch.undo()
    state = load_checkpoint(tmp_path / "run").training
    assert state is not None and state.step == 1


def test_a_closed_stream_saves_the_run(tmp_path: Path) -> None:
    session = run_session(plan(tmp_path / "run"), CORPUS)
    for event in session:
        if isinstance(event, StepRecord) and event.step == 4:
            break
    session.close()  # type: ignore[attr-defined]
    state = load_checkpoint(tmp_path / "run").training
    assert state is not None and state.step == 4


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"eval_every": 0}, "eval_every is 0"),
        ({"sample_every": -2}, "sample_every is -2"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"checkpoint_seconds": 0.0}, "checkpoint_seconds is 0.0"),
        ({"preset": "smal"}, "did you mean 'small'"),
        ({"engine": "nump"}, "did you mean 'numpy'"),
        ({"engine": "vectorized[threds=2]"}, "did you mean 'threads'"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"out": Path()}, "out is '.'"),
    ],
)
def test_invalid_plans_are_refused_when_made(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match="allowed: ") as caught:
        plan(**({"out": Path("run")} | changes))  # type: ignore[arg-type]
    assert expected in str(caught.value)


def test_a_held_out_loss_that_is_no_number_is_divergence(tmp_path, monkeypatch):
    """Weights can be finite and too large for a forward pass."""
    monkeypatch.setattr(NumpyEngine, "loss", lambda *_: float("nan"))
    events = report_status(run_session(plan(tmp_path / "run", steps=4, eval_every=2), CORPUS))
    with pytest.raises(
        DivergedError,
        match=r"the held-out loss is nan after step 2, with learning rate 0\.\d+; .*run: .*--learning-rate",
    ):
        list(events)
    status = read_status(tmp_path / "run")
    assert status.state == "failed" and "held-out loss is nan" in status.error
    assert load_checkpoint(tmp_path / "run").training.step == 1


@pytest.mark.parametrize("settings", [{"keep": 2, "eval_every": 100}, {"keep": 0, "eval_every": 1}])
def test_the_newest_step_is_saved_when_a_further_copy_is_refused(tmp_path: Path, settings: dict[str, int]) -> None:
    """The folder of kept checkpoints becomes a link during the run."""
    mine = tmp_path / "elsewhere" / "step-00000001"
    mine.mkdir(parents=True)
    (mine / STATE).write_text("mine")
    events = run_session(plan(tmp_path / "run", steps=3, checkpoint_every=3, **settings), CORPUS)
    with pytest.raises(StorageError, match="checkpoints is a link"):
        for event in events:
            if isinstance(event, CheckpointRecord) and event.step == 1 and not event.best:
                shutil.rmtree(tmp_path / "run" / KEPT, ignore_errors=True)
                (tmp_path / "run" / KEPT).symlink_to(tmp_path / "elsewhere")
                last = 1
            elif isinstance(event, StepRecord):
                last = event.step
    assert load_checkpoint(tmp_path / "run").step == last
    assert not (tmp_path / "run" / SAVING).exists()
    assert (mine / STATE).read_text() == "mine"


def test_a_rate_that_overflows_the_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"learning rate 1e\+308; .*--learning-rate 1e\+307"):
        list(run_session(plan(tmp_path / "run", learning_rate=1e308), CORPUS))


@pytest.mark.parametrize("name", [SAVING, SAVED, f"{KEPT}/step-5", f"{KEPT}/{BEST}"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_inside_another_run_s_own_folders_is_refused(tmp_path: Path, name: str, resume: bool) -> None:
    list(run_session(plan(tmp_path / "run", steps=1), CORPUS))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=r"is inside the run .*run, which replaces its files"):
        next(run_session(plan(tmp_path / "run" / name), CORPUS, resume=resume))
    assert sorted(tmp_path.rglob("*")) == before
    list(run_session(plan(tmp_path / "elsewhere" / name, steps=1), CORPUS))


@pytest.mark.parametrize("name", ["config.json", WEIGHTS])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_user_s_own_files_are_no_checkpoint_to_resume(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "run" / name
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path)
    else:
        path.write_text('{"mine": 1}')
    with pytest.raises(ConfigError, match="holds files but no checkpoint of a run; allowed: a new or empty folder"):
        next(run_session(plan(tmp_path / "run"), CORPUS))
