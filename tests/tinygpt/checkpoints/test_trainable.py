"""Engines from saved models: they continue exactly, and any model can be trained further."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.checkpoints.trainable import load_engine
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.errors import CheckpointError, ConfigError
from tinygpt.gallery import load_gallery_model
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays
from tinygpt.training.trainer import StepRecord, Trainer

MODEL = ModelConfig(n_layers=2, d_model=8, n_heads=2, context_length=6)
TRAIN = TrainConfig(batch_size=3, learning_rate=1e-2)
DROPPING = TrainConfig(batch_size=3, learning_rate=1e-2, dropout=0.2)
SAMPLER = BatchSampler(np.frombuffer(bytes(range(200)), np.uint8), batch_size=3, context_length=6, seed=2)


def numbers(records: list[StepRecord]) -> list[tuple[int, float, float]]:
    return [(record.step, record.loss, record.grad_norm) for record in records]


@pytest.mark.parametrize(
    ("variant", "train"),
    [
        ("python", TRAIN),
        ("numpy", DROPPING),
        ("vectorized[threads=1,kernels=numpy]", DROPPING),
        ("compiled[threads=1]", DROPPING),
        ("compiled[threads=2,team=processes]", DROPPING),
    ],
)
def test_an_engine_continues_to_the_bit(tmp_path: Path, variant: str, train: TrainConfig) -> None:
    engine = create_engine(variant, MODEL, train, seed=5)
    trainer = Trainer(engine, SAMPLER)
    list(trainer.run(0, 4))
    save_checkpoint(tmp_path / "run", engine)
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.step == 4
    again = load_engine(tmp_path / "run", variant, seed=5)
    assert again.train == train
    assert numbers(list(Trainer(again, SAMPLER).run(checkpoint.step, 4))) == numbers(list(trainer.run(4, 4)))


def test_a_model_without_settings_trains_with_given_ones() -> None:
    model = load_gallery_model("stories")
    engine = load_engine(model, "numpy")
    assert engine.train.batch_size == 1024 // model.config.context_length
    train = TrainConfig(batch_size=2)
    engine = load_engine(model, "vectorized", train=train, seed=3, threads=1)
    assert (engine.train, engine.seed, engine.options()["threads"]) == (train, 3, 1)
    for name, value in engine.parameters().items():
        np.testing.assert_array_equal(value, model.weights[name])


def trained_state() -> tuple[Arrays, OptimizerState]:
    engine = create_engine("numpy", MODEL, TRAIN)
    list(Trainer(engine, SAMPLER).run(0, 2))
    return engine.state_dict(), engine.optimizer_state()


def test_other_settings_over_the_checkpoints_own() -> None:
    checkpoint = Checkpoint(MODEL, TRAIN, *trained_state())
    slower = TrainConfig(batch_size=3, learning_rate=1e-5)
    again = load_engine(checkpoint, "numpy", train=slower)
    assert again.train == slower
    assert again.optimizer_state().step == 2


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    saved = Checkpoint(MODEL, TRAIN, *trained_state())
    with pytest.raises(ConfigError, match="state is of adamw, and the settings have muon; allowed: adamw; run: "):
        load_engine(saved, "numpy", train=replace(TRAIN, optimizer="muon"))
    with pytest.raises(CheckpointError, match="there is no folder"):
        load_engine(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="did you mean 'numpy'"):
        load_engine(Checkpoint(MODEL, TRAIN, create_engine("numpy", MODEL, TRAIN).state_dict()), "numpi")
