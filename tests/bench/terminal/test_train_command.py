"""Resuming a run: its folder has its settings, and typed options override them."""

from __future__ import annotations

import shlex
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from bench.terminal.train_command import TrainOptions, train
from bench.training.record_training import training_command
from tests.conftest import Typed
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.corpora import load_corpus
from tinygpt.errors import CheckpointError
from tinygpt.presets import PRESETS
from tinygpt.terminal.options import read_options
from tinygpt.training.events import StartRecord
from tinygpt.training.plan import TrainingPlan, TrainingSettings
from tinygpt.training.session import run_session

# Another value for every setting than its default.
TYPED: dict[str, Any] = {
    "preset": "tiny", "corpus": "file:plain.txt", "engine": "numpy", "seed": "7", "recipe": "cosine",
    "learning_rate": "0.002", "batch": "3", "accumulate": "2", "warmup": "4", "schedule": "constant", "dropout": "0.1",
    "patience": "5", "prompt": "caf\udce9 \n", "keep": "6", "record": True, "gentle": True, "corpus_file": "copy.txt",
    "steps": "30", "weight_decay": "0.05", "betas": "0.8,0.98", "grad_clip": "2.5", "eval_every": "9",
    "checkpoint_every": "7", "tokenizer": "bytes", "track": "tensorboard",
}  # fmt: skip
# What a run trains is decided at its start; tests/tinygpt/training has them.
OF_THE_START = {"train_only", "lora"}
# Options of the process, not of the training.
OF_THIS_PROCESS = {
    "out", "resume", "auto_resume", "detach", "ignore_memory", "minutes", "mesh", "hosts", "process", "start_from",
    "context",
}  # fmt: skip


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("plain.txt", "copy.txt"):
        (tmp_path / name).write_text("Some text to learn from, again and again.\n" * 200)
    return tmp_path


def read(**typed: Any) -> TrainOptions:
    return read_options(TrainOptions, "train", typed)


def plan_of(options: TrainOptions) -> TrainingPlan:
    return TrainingPlan.of(options, out=options.out or Path("run"), steps=options.steps or 1000)


def start(plan: TrainingPlan) -> None:
    """Train until the first checkpoint."""
    events = run_session(plan, load_corpus(plan.corpus))
    next(events), next(events), next(events)
    events.close()  # type: ignore[attr-defined]


def test_every_option_is_covered() -> None:
    settings = {field.metadata.get("option", field.name) for field in fields(TrainOptions)}
    assert settings - OF_THIS_PROCESS - OF_THE_START == TYPED.keys()


def train_config(plan: TrainingPlan) -> TrainConfig:
    """Return the settings of a resumed run: the checkpoint's, overridden by the plan's."""
    return plan.train_config(load_checkpoint(plan.out).train)


def test_a_resumed_run_keeps_every_setting_from_any_folder(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = plan_of(read(out="run", **TYPED))
    start(first)
    (texts / "elsewhere").mkdir()
    monkeypatch.chdir(texts / "elsewhere")
    again = plan_of(read(out="../run", resume=True))
    in_the_checkpoint = {
        "recipe", "learning_rate", "batch_size", "accumulation", "warmup_steps", "schedule", "dropout", "weight_decay",
        "betas", "grad_clip",
    }  # fmt: skip
    for field in fields(TrainingSettings):
        if field.name not in in_the_checkpoint:
            assert getattr(again, field.name) == getattr(first, field.name), field.name
    assert again.steps == 30
    assert train_config(again) == load_checkpoint("../run").train
    assert load_corpus(again.corpus).sha256 == load_corpus(first.corpus).sha256


@pytest.mark.parametrize("option", sorted(TYPED.keys() - {"preset", "corpus", "engine", "seed"}))
def test_a_typed_option_overrides_the_run_s(texts: Path, option: str) -> None:
    start(plan_of(read(out="run", preset="tiny", corpus="file:plain.txt", engine="numpy")))
    again, typed = plan_of(read(out="run", resume=True, **{option: TYPED[option]})), plan_of(read(**TYPED))
    field = next(f.name for f in fields(TrainOptions) if f.metadata.get("option", f.name) == option)
    assert getattr(again, field) == getattr(typed, field)
    events = run_session(again, load_corpus("file:plain.txt"), resume=True)
    changes = next(event.changes for event in events if isinstance(event, StartRecord))
    events.close()  # type: ignore[attr-defined]
    if option == "recipe":
        assert {line.split()[0] for line in changes} >= {"--learning-rate", "--warmup", "decay_steps"}
    elif option != "schedule":  # constant, as before
        value = again.stored_settings.get(field, getattr(typed, field))
        assert [line.partition(", was ")[0] for line in changes] == [f"--{option.replace('_', '-')} is {value}"]


@pytest.mark.parametrize("flag", ["--resume", "--auto-resume"])
def test_resuming_refuses_another_start_and_names_nothing_before_a_refusal(
    texts: Path, typed: Typed, flag: str
) -> None:
    options = ["--engine", "numpy", "--corpus", "file:plain.txt", "--steps", "2"]
    assert typed("train", *options, "--preset", "tiny", "--out", "first").returncode == 0
    assert typed("train", *options, "--out", "run", "--start-from", "first").returncode == 0
    done = typed("train", flag, "--out", "run", "--start-from", "other", "--steps", "3")
    assert done.returncode == 2 and "start-from" in done.stderr and "other" in done.stderr
    done = typed("train", flag, "--out", "run", "--steps", "1")
    assert done.returncode == 2 and "so far" not in done.stdout
    done = typed("train", flag, "--out", "run", "--start-from", "first", "--steps", "3")
    assert done.returncode == 0 and "--steps is 3, was 2 so far" in done.stdout


def test_a_missing_checkpoint_is_an_error_and_auto_resume_starts(texts: Path, typed: Typed) -> None:
    with pytest.raises(CheckpointError, match=r"there is no folder run to resume.*--auto-resume"):
        read(out="run", resume=True)
    command = ["train", "--preset", "tiny", "--engine", "numpy", "--corpus", "file:plain.txt", "--out", "run"]
    command += ["--auto-resume", "--steps"]
    for steps, starts in (("2", True), ("2", False), ("4", False)):
        done = typed(*command, steps)
        assert done.returncode == 0, done.stderr
        assert ("\nrun holds no checkpoint: a new run starts, with" in done.stdout) is starts
        training = load_checkpoint("run").training
        assert training is not None and training.step == int(steps)
    done = typed(*command, "3")
    assert done.returncode == 2
    assert "run is at step 4, and --steps asks for 3; allowed: 4 or more" in done.stderr


def test_the_printed_command_is_enough(texts: Path, typed: Typed) -> None:
    options = ["--preset", "tiny", "--engine", "numpy", "--corpus", "file:plain.txt", "--keep", "5", "--patience", "7"]
    assert typed("train", *options, "--out", "my run", "--steps", "6").returncode == 0
    before = sorted(Path("my run/checkpoints").iterdir())
    done = typed("train", "--resume", "--out", "my run")
    assert done.returncode == 0 and "finished step 6 of 6" in done.stdout
    assert sorted(Path("my run/checkpoints").iterdir()) == before
    training = load_checkpoint("my run").training
    assert training is not None and training.settings["keep"] == 5 and training.settings["patience"] == 7
    assert train.name == "train"


@pytest.mark.parametrize("content", ["{", "{}", None])
def test_a_damaged_state_beside_kept_checkpoints_names_restore(texts: Path, content: str | None) -> None:
    plan = plan_of(read(out="run", preset="tiny", corpus="file:plain.txt", engine="numpy", steps="3"))
    for _ in run_session(replace(plan, checkpoint_every=1), load_corpus(plan.corpus)):
        pass
    state = Path("run/training_state.json")
    state.unlink() if content is None else state.write_text(content)
    with pytest.raises(CheckpointError, match="run: invoke restore run, then --resume"):
        read(out="run", resume=True)


def test_a_shape_of_ones_own_is_named_in_the_run_and_resumed(texts: Path, typed: Typed) -> None:
    shape = "tiny[n_layers=1,d_model=32,batch_size=2]"
    options = ["train", "--corpus", "file:plain.txt", "--engine", "numpy"]
    done = typed(*options, "--preset", " tiny[d_model=32, n_layers=1, batch_size=2]", "--steps", "2")
    assert done.returncode == 0, done.stderr
    out = Path("runs/file-tiny-n_layers=1-d_model=32-batch_size=2")
    checkpoint = load_checkpoint(out)
    assert checkpoint.training is not None and checkpoint.training.preset == shape
    assert (checkpoint.config, checkpoint.train.batch_size) == (PRESETS[shape].model, 2)
    done = typed("train", "--resume", "--out", str(out), "--steps", "4")
    assert done.returncode == 0, done.stderr
    done = typed(*options, "--preset", "tiny[n_layers=2]", "--resume", "--out", str(out), "--steps", "6")
    assert done.returncode == 2 and f"preset {shape} against tiny" in done.stderr
    done = typed(*options, "--preset", "tiny[d_model=50]")
    assert done.returncode == 2 and "d_model is 50" in done.stderr and "n_heads" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_recorded_command_has_the_settings_of_the_optimiser(texts: Path) -> None:
    plan = plan_of(read(preset="tiny[n_layers=1]", weight_decay="0.05", betas="0.8,0.98", grad_clip="2"))
    words = shlex.split(training_command(plan))
    assert words[words.index("--preset") + 1] == "tiny[n_layers=1]"
    again = plan_of(read(**{words[i][2:].replace("-", "_"): words[i + 1] for i in range(2, len(words) - 1, 2)}))
    assert again.train_config(again.preset_entry.train) == plan.train_config(plan.preset_entry.train)
    assert (again.weight_decay, again.betas, again.grad_clip) == (0.05, (0.8, 0.98), 2.0)
