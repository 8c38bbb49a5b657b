"""Resumed runs: equal to an uninterrupted one, and never of another run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tinygpt.small_checkpoint import edit_state
from tests.tinygpt.training.small_runs import CORPUS, losses, only, plan
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import OPTIMIZER, STATE, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import Corpus
from tinygpt.engines import create_engine
from tinygpt.engines.vectorized.engine import default_team
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.presets import PRESETS, Preset
from tinygpt.system.staging import SAVED
from tinygpt.system.stopping import StopRequest
from tinygpt.training.events import EvaluationRecord, Event, SampleRecord, StartRecord, StopRecord
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord


def stop_after(session: Iterator[Event], stop: StopRequest, step: int) -> list[Event]:
    events = []
    for event in session:
        events.append(event)
        if isinstance(event, StepRecord) and event.step == step:
            stop.request()
    return events


@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_resumed_run_repeats_the_uninterrupted_one_to_the_bit(
    uninterrupted: tuple[Path, list[Event]], tmp_path: Path, step: int
) -> None:
    whole_out, whole = uninterrupted
    wanted = plan(tmp_path / "run", eval_every=2, sample_every=3, checkpoint_every=4)
    stop = StopRequest()
    first = stop_after(run_session(wanted, CORPUS, stop=stop), stop, step)
    assert isinstance(first[-1], StopRecord)
    assert (first[-1].reason, first[-1].step, first[-1].exit_code) == ("interrupted", step, 0)
    second = list(run_session(wanted, CORPUS, resume=True))
    start = second[0]
    assert isinstance(start, StartRecord) and start.first_step == step
    assert losses(first) + losses(second) == losses(whole)
    # What the first part was stopped before it could do, the second does first.
    assert [(e.step, e.train_loss, e.held_out_loss) for e in first + second if isinstance(e, EvaluationRecord)] == [
        (e.step, e.train_loss, e.held_out_loss) for e in whole if isinstance(e, EvaluationRecord)
    ]
    assert [e.text for e in first + second if isinstance(e, SampleRecord)] == [
        e.text for e in whole if isinstance(e, SampleRecord)
    ]
    for name in (WEIGHTS, OPTIMIZER, "checkpoints/best/model.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (whole_out / name).read_bytes()


def test_a_run_in_double_precision_is_resumed_to_the_bit_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Preset("tiny", ModelConfig(1, 8, 2, 8), TrainConfig(batch_size=2))
    monkeypatch.setattr("tinygpt.training.plan.PRESETS", {"tiny": small})
    whole = list(run_session(plan(tmp_path / "whole", engine="python"), CORPUS))
    stop = StopRequest()
    wanted = plan(tmp_path / "run", engine="python")
    first = stop_after(run_session(wanted, CORPUS, stop=stop), stop, 3)
    second = list(run_session(wanted, CORPUS, resume=True))
    assert losses(first) + losses(second) == losses(whole)
    optimizer = load_checkpoint(tmp_path / "run").optimizer
    assert optimizer is not None and optimizer.weights is not None
    assert optimizer.weights["wte.weight"].dtype == np.float64


def test_a_resumed_run_keeps_the_kernels_that_were_calibrated(tmp_path: Path) -> None:
    wanted = plan(tmp_path / "run", steps=2, engine="vectorized[kernels=numexpr:gelu,threads=1]")
    list(run_session(replace(wanted, steps=1), CORPUS))
    # The same run under `auto`, as on a machine whose calibration would have another outcome.
    training = json.loads((tmp_path / "run" / STATE).read_text())["training"]
    edit_state(tmp_path / "run", training=training | {"engine": "vectorized"})
    start = next(iter(run_session(replace(wanted, engine="vectorized"), CORPUS, resume=True)))
    assert isinstance(start, StartRecord)
    assert start.engine_options == {"threads": 1, "kernels": "numexpr:gelu", "team": default_team()}


def test_a_finished_run_can_be_made_longer(tmp_path: Path) -> None:
    list(run_session(plan(tmp_path / "run", steps=2), CORPUS))
    nothing_left = list(run_session(plan(tmp_path / "run", steps=2), CORPUS, resume=True))
    assert [type(event) for event in nothing_left] == [StartRecord, StopRecord]
    longer = list(run_session(plan(tmp_path / "run", steps=4), CORPUS, resume=True))
    whole = list(run_session(plan(tmp_path / "whole", steps=4), CORPUS))
    assert losses(longer) == losses(whole)[2:]


def test_a_resumed_run_keeps_its_learning_rate_by_default(tmp_path: Path) -> None:
    list(run_session(plan(tmp_path / "run", steps=1, learning_rate=0.01), CORPUS))
    kept = list(run_session(plan(tmp_path / "run", steps=2), CORPUS, resume=True))
    changed = list(run_session(plan(tmp_path / "run", steps=3, learning_rate=0.002), CORPUS, resume=True))
    assert [event.learning_rate for event in only(kept + changed, StepRecord)] == [0.01, 0.002]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "corpus", "expected"),
    [
        ({"preset": "small"}, CORPUS, ["preset tiny against small", "model"]),
        ({"seed": 4}, CORPUS, ["seed 3 against 4"]),
        ({"engine": "vectorized"}, CORPUS, ["engine numpy against vectorized"]),
        ({"recipe": "muon"}, CORPUS, ["optimizer adamw against muon"]),
        ({"corpus": "tales"}, replace(CORPUS, train=CORPUS.train + b"!"), ["corpus fables (", "against tales ("]),
        ({"seed": 5, "engine": "python"}, CORPUS, ["seed 3 against 5", "engine numpy against python"]),
    ],
)
def test_another_runs_checkpoint_is_refused_with_every_field(
    uninterrupted: tuple[Path, list[Event]], changes: dict[str, object], corpus: Corpus, expected: list[str]
) -> None:
    out, _ = uninterrupted
    before = (out / STATE).read_bytes()
    with pytest.raises(ConfigError, match="another run's") as caught:
        list(run_session(plan(out, **changes), corpus, resume=True))
    assert all(part in str(caught.value) for part in expected)
    assert (out / STATE).read_bytes() == before


def test_the_same_text_under_another_name_is_the_same_run(uninterrupted: tuple[Path, list[Event]]) -> None:
    out, _ = uninterrupted
    events = list(run_session(plan(out, corpus="file:moved.txt"), CORPUS, resume=True))
    assert isinstance(events[-1], StopRecord)


def test_resuming_nothing_or_bare_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        list(run_session(plan(tmp_path / "none"), CORPUS, resume=True))
    weights = create_engine("numpy", PRESETS["tiny"].model, PRESETS["tiny"].train).state_dict()
    save_checkpoint(tmp_path / "bare", Checkpoint(PRESETS["tiny"].model, PRESETS["tiny"].train, weights))
    with pytest.raises(CheckpointError, match="no training state"):
        list(run_session(plan(tmp_path / "bare"), CORPUS, resume=True))


def test_a_save_that_was_killed_is_finished_by_the_next_run(tmp_path, monkeypatch):
    out = tmp_path / "run"
    list(run_session(plan(out, steps=4), CORPUS))
    if (child := os.fork()) == 0:
        replace = Path.replace

        def killed(path, target):  # between the two sets of files
            return os._exit(9) if target.parent == out else replace(path, target)

        monkeypatch.setattr(Path, "replace", killed)
        list(run_session(plan(out, steps=5, checkpoint_every=5), CORPUS, resume=True))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert (out / SAVED).is_dir()
    assert load_checkpoint(out).training.step == 5
    list(run_session(plan(out, steps=8), CORPUS, resume=True))
    assert load_checkpoint(out).training.step == 8
    assert not (out / SAVED).exists()
