"""Runs that start from a trained model: its tokens, a context of one's own, settings that suit, and losses before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tinygpt.gpt2_folder import BPE, MODEL, weights, write_gpt2
from tests.tinygpt.hub_double import HubDouble
from tests.tinygpt.training.small_runs import CORPUS, losses, only, plan
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.data import evaluation_batches
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError, DivergedError
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES, preset_learning_rate
from tinygpt.runs.manage import read_run
from tinygpt.runs.progress import RunProgress
from tinygpt.runs.status import report_status
from tinygpt.terminal.live_view import closing_line, plain_lines
from tinygpt.terminal.panel import parameters_text
from tinygpt.training.events import EvaluationRecord, SampleRecord, StartRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.resume import resumed_settings, shape_and_settings
from tinygpt.training.session import run_session


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    return write_gpt2(tmp_path / "gpt2")


def first(plan: TrainingPlan) -> StartRecord:
    event = next(iter(run_session(plan, CORPUS)))
    assert isinstance(event, StartRecord)
    return event


def test_a_model_of_the_hub_is_trained_further_by_its_name(hub: HubDouble, tmp_path: Path) -> None:
    write_gpt2(hub.root / "openai-community/gpt2")
    run = plan(tmp_path / "run", start_from="gpt2", steps=2)
    assert run.title == "gpt2"
    list(run_session(run, CORPUS))
    hub.offline = True
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.tokenizer.hash == BPE.hash and checkpoint.config == MODEL
    assert checkpoint.training is not None and checkpoint.training.started_from == "gpt2"
    assert resumed_settings(tmp_path / "run")["start_from"] == "gpt2"
    resumed = list(run_session(plan(tmp_path / "run", steps=4), CORPUS, resume=True))
    assert len(losses(resumed)) == 2


def test_a_gallery_model_is_a_start(tmp_path: Path) -> None:
    run = plan(tmp_path / "run", start_from="stories", steps=10, preset="small")
    assert shape_and_settings(run)[0].n_parameters == first(run).n_parameters
    assert run.title == "stories"


def test_the_rate_is_a_tenth_of_that_of_the_width_and_falls(gpt2: Path, tmp_path: Path) -> None:
    train = first(plan(tmp_path / "run", start_from=gpt2, steps=100)).train
    assert train.learning_rate == pytest.approx(preset_learning_rate(MODEL) / 10, rel=0.05) == 1.6e-3
    assert (train.warmup_steps, train.decay_steps, train.decay_to, train.batch_size) == (5, 100, 0.1, 1024 // 24)
    behemoth = PRESETS["behemoth"].model
    assert RECIPES["finetune"].apply(TrainConfig(1), behemoth, 10).learning_rate == 3.9e-5


def test_the_user_s_settings_come_first_and_rates_fit_the_model_s_width(gpt2: Path, tmp_path: Path) -> None:
    own = {"learning_rate": 0.25, "batch_size": 3, "dropout": 0.125, "weight_decay": 0.5}
    train = first(plan(tmp_path / "a", start_from=gpt2, **own)).train
    assert {name: getattr(train, name) for name in own} == own
    rate = preset_learning_rate(MODEL)
    assert rate != preset_learning_rate(PRESETS["tiny"].model)
    assert first(plan(tmp_path / "b", start_from=gpt2, recipe="cosine")).train.learning_rate == rate
    assert first(plan(tmp_path / "c", start_from=gpt2, learning_rate="auto")).train.learning_rate == rate
    train = first(plan(tmp_path / "d", start_from=gpt2, recipe="constant")).train
    assert (train.learning_rate, train.decay_steps) == (3e-4, 0)


def test_a_shorter_context_keeps_the_first_positions(gpt2: Path, tmp_path: Path) -> None:
    run = plan(tmp_path / "run", start_from=gpt2, context_length=8, learning_rate=1e-9, steps=1)
    list(run_session(run, CORPUS))
    saved = load_checkpoint(tmp_path / "run")
    assert saved.config.context_length == 8 and saved.train.batch_size == 1024 // 24 * 3
    assert (saved.config, saved.train) == shape_and_settings(run)
    np.testing.assert_allclose(saved.weights["wpe.weight"], weights()["wpe.weight"][:8], atol=1e-6)
    again = plan(tmp_path / "run", start_from=gpt2, context_length=8, steps=2)
    assert len(losses(list(run_session(again, CORPUS, resume=True)))) == 1
    with pytest.raises(ConfigError, match=r"another run's: context 8 against 6"):
        list(run_session(plan(tmp_path / "run", start_from=gpt2, context_length=6), CORPUS, resume=True))


def test_a_longer_context_is_refused(gpt2: Path, tmp_path: Path) -> None:
    run = plan(tmp_path / "run", start_from=gpt2, context_length=25)
    with pytest.raises(ConfigError, match=r"--context is 25, and gpt2 has 24 positions; allowed: 1 to 24; run: the"):
        first(run)
    with pytest.raises(ConfigError, match="--context is 25"):
        shape_and_settings(run)
    with pytest.raises(ConfigError, match=r"--context without --start-from.*--preset 'tiny\[context_length=25\]'"):
        plan(tmp_path / "run", context_length=25)
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").glob("*.safetensors"))


def test_what_the_weights_know_is_measured_before_the_first_step(gpt2: Path, tmp_path: Path) -> None:
    events = list(run_session(plan(tmp_path / "run", start_from=gpt2, eval_every=6), CORPUS))
    kinds = [type(event).__name__ for event in events[:5]]
    assert kinds == ["StartRecord", "EvaluationRecord", "CheckpointRecord", "SampleRecord", "StepRecord"]
    before, after = only(events, EvaluationRecord)
    assert isinstance(before, EvaluationRecord) and isinstance(after, EvaluationRecord)
    assert (before.step, after.step) == (0, 6) and np.isnan(before.train_loss)
    engine, start = create_engine("numpy", MODEL, TrainConfig(1), weights=weights()), events[0]
    assert isinstance(start, StartRecord)
    held_out = BPE.encode(CORPUS.held_out)
    batches = evaluation_batches(held_out, start.train.batch_size, 24, 2)
    nats = sum(engine.token_losses(batch.inputs, batch.targets).sum() for batch in batches)
    n_bytes = sum(BPE.byte_lengths(batch.targets).sum() for batch in batches)
    assert before.held_out_loss == pytest.approx(nats / n_bytes, rel=1e-5)
    assert after.held_out_loss < before.held_out_loss
    assert only(events, SampleRecord)[0].step == 0
    assert isinstance(events[-1], StopRecord)


def test_a_resumed_run_knows_its_losses_so_far(gpt2: Path, tmp_path: Path) -> None:
    run = plan(tmp_path / "run", start_from=gpt2, steps=4, eval_every=2)
    whole = list(run_session(run, CORPUS))
    evaluations = [(event.step, event.held_out_loss) for event in whole if isinstance(event, EvaluationRecord)]
    start, end = run_session(run, CORPUS, resume=True)
    assert isinstance(start, StartRecord) and isinstance(end, StopRecord)
    assert (0, start.loss_before) == evaluations[0]
    assert start.held_out == evaluations[-1]
    assert start.train_loss == pytest.approx(np.mean(losses(whole)))
    progress = RunProgress(start)
    assert (progress.train_loss, progress.held_out_loss) == (start.train_loss, end.held_out_loss)
    assert f"before the first step {evaluations[0][1]:.3f} a byte" in closing_line(end, progress)


@pytest.mark.parametrize(
    ("changes", "words", "trained"),
    [
        ({}, "all trained", None),
        ({"train_only": "ln_f"}, "{} trained", 2 * MODEL.d_model),
        ({"lora": "rank=1,on=attn.c_proj"}, "an adapter of {} trained", MODEL.n_layers * 2 * MODEL.d_model),
    ],
)
def test_the_number_of_trained_parameters_is_shown(
    gpt2: Path, tmp_path: Path, changes: dict[str, object], words: str, trained: int | None
) -> None:
    start = first(plan(tmp_path / "run", start_from=gpt2, **changes))
    assert start.n_trained == trained
    line = next(plain_lines(start, RunProgress(start)))
    shown = f"gpt2, {MODEL.n_parameters:,} parameters, {words.format(trained)}"
    assert line.startswith(f"{shown}, engine ")
    assert parameters_text(start) in line


def test_a_run_that_gets_worse_keeps_the_weights_that_it_started_from(gpt2: Path, tmp_path: Path) -> None:
    run = plan(tmp_path / "run", start_from=gpt2, learning_rate=3.0, patience=1, eval_every=2, steps=40)
    end = list(run_session(run, CORPUS))[-1]
    assert isinstance(end, StopRecord) and (end.reason, end.step) == ("stopped early", 2)
    for name, array in load_checkpoint(tmp_path / "run/checkpoints/best").weights.items():
        np.testing.assert_array_equal(array, weights()[name])


def test_a_run_that_does_harm_on_both_texts_has_diverged(gpt2: Path, tmp_path: Path) -> None:
    run = plan(tmp_path / "run", start_from=gpt2, learning_rate=3.0, steps=6)
    words = r"training diverged: the loss is .* on training text and .*, 5\.528 before, after step 6, .*-rate 0\.3"
    for resume in (False, True):
        with pytest.raises(DivergedError, match=words):
            list(report_status(run_session(run, CORPUS, resume=resume)))
    found = read_run(tmp_path / "run")
    assert found.state == "failed" and "training diverged" in found.note


def test_a_run_that_only_repeats_its_text_has_not_diverged(gpt2: Path, tmp_path: Path) -> None:
    end = list(run_session(plan(tmp_path / "run", start_from=gpt2, learning_rate=0.02, steps=40), CORPUS))[-1]
    assert isinstance(end, StopRecord) and end.reason == "finished" and end.train_loss is not None
    assert end.held_out_loss is not None and end.held_out_loss > 2 * end.train_loss
