"""One folder for every engine: a model saved by one loads in any other, with equal results and further training."""

from __future__ import annotations

import dataclasses
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import OPTIMIZER, STATE
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import Engine, create_engine
from tinygpt.errors import ConfigError
from tinygpt.training.events import SampleRecord, StartRecord, StepRecord
from tinygpt.training.session import run_session

Array = np.ndarray
MODEL = ModelConfig(n_layers=2, d_model=12, n_heads=3, context_length=6)
TRAIN = TrainConfig(batch_size=2, learning_rate=1e-2)
SAMPLER = BatchSampler(np.random.default_rng(0).integers(0, 256, 2_000).astype(np.uint8), 2, 6, seed=1)
VARIANTS = (
    "python",
    "numpy",
    "vectorized[threads=2,kernels=numpy,team=threads]",
    "vectorized[threads=1,kernels=numexpr]",
    "vectorized[threads=1,kernels=numba]",
    "compiled[threads=2]",
    "compiled[threads=2,team=processes]",
)


def train(engine: Engine, first: int, steps: int) -> list[float]:
    batches = (SAMPLER.batch(step) for step in range(first, first + steps))
    return [engine.train_step(batch.inputs, batch.targets).loss for batch in batches]


def load(variant: str, folder: Path) -> Engine:
    checkpoint = load_checkpoint(folder)
    engine = create_engine(variant, checkpoint.config, checkpoint.train, seed=99)
    engine.load_state_dict(checkpoint.weights)
    assert checkpoint.optimizer is not None
    engine.load_optimizer_state(checkpoint.optimizer)
    return engine


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of every variant, each after three steps."""
    folders = {}
    for number, variant in enumerate(VARIANTS):
        engine = create_engine(variant, MODEL, TRAIN, seed=4)
        train(engine, 0, 3)
        folders[variant] = tmp_path_factory.mktemp(f"engine{number}") / "run"
        save_checkpoint(folders[variant], engine)
    return folders


Answers = tuple[Array, list[float], dict[str, Array]]


def answers(variant: str, folder: Path) -> Answers:
    """Logits of an engine that has read a folder, the losses of five more steps, and the weights at their end."""
    engine = load(variant, folder)
    return engine.logits(SAMPLER.batch(50).inputs), train(engine, 3, 5), engine.state_dict()


@pytest.fixture(scope="module")
def of_its_own(saved: dict[str, Path]) -> dict[str, Answers]:
    """The answers of every variant from its own folder."""
    return {variant: answers(variant, folder) for variant, folder in saved.items()}


@pytest.mark.parametrize(("writer", "reader"), list(permutations(VARIANTS, 2)))
def test_every_engine_reads_every_other_engines_checkpoint(
    saved: dict[str, Path], of_its_own: dict[str, Answers], writer: str, reader: str
) -> None:
    (logits, losses, weights), expected = answers(reader, saved[writer]), of_its_own[writer]
    np.testing.assert_allclose(logits, expected[0], atol=2e-5)
    assert np.abs(logits).max() > 0.05, "logits this flat would agree with anything"
    np.testing.assert_allclose(losses, expected[1], rtol=1e-5)
    for name, array in expected[2].items():
        np.testing.assert_allclose(weights[name], array, atol=2e-4, err_msg=name)


# ---- a run that starts from another model ------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder as transformers writes it, of a shape that no preset has."""
    engine = create_engine("numpy", ModelConfig(1, 24, 2, 20), TrainConfig(batch_size=2), seed=8)
    save_checkpoint(tmp_path / "theirs", Checkpoint(engine.config, engine.train, engine.parameters()))
    (tmp_path / "theirs" / STATE).unlink()
    return tmp_path / "theirs"


def test_a_run_starts_with_a_models_weights_and_shape(foreign: Path, tmp_path: Path) -> None:
    wanted = plan(tmp_path / "run", steps=4, recipe="constant", start_from=foreign)
    events = list(run_session(wanted, CORPUS))
    start = events[0]
    assert isinstance(start, StartRecord)
    checkpoint = load_checkpoint(foreign)
    assert start.n_parameters == checkpoint.config.n_parameters
    engine = create_engine("numpy", checkpoint.config, start.train)
    engine.load_state_dict(checkpoint.weights)
    sampler = BatchSampler(CORPUS.train_tokens, start.train.batch_size, 20, wanted.seed)
    expected = [engine.train_step(b.inputs, b.targets).loss for b in map(sampler.batch, range(4))]
    assert [event.loss for event in events if isinstance(event, StepRecord)] == expected
    assert any(isinstance(event, SampleRecord) for event in events)
    saved = load_checkpoint(tmp_path / "run")
    assert saved.config == checkpoint.config
    assert saved.training is not None and saved.training.started_from == str(foreign)


def test_such_a_run_is_resumed_without_naming_its_start(foreign: Path, tmp_path: Path) -> None:
    whole = list(run_session(plan(tmp_path / "whole", steps=4, recipe="constant", start_from=foreign), CORPUS))
    list(run_session(plan(tmp_path / "run", steps=2, recipe="constant", start_from=foreign), CORPUS))
    for path in foreign.iterdir():
        path.unlink()
    resumed = list(run_session(plan(tmp_path / "run", steps=4), CORPUS, resume=True))
    losses = [event.loss for event in whole if isinstance(event, StepRecord)]
    assert [event.loss for event in resumed if isinstance(event, StepRecord)] == losses[2:]


def test_a_run_from_a_seed_cannot_be_resumed_as_another_model(tmp_path: Path) -> None:
    list(run_session(plan(tmp_path / "run", steps=1), CORPUS))
    with pytest.raises(ConfigError, match="preset tiny against small, model"):
        list(run_session(plan(tmp_path / "run", preset="small"), CORPUS, resume=True))


def test_of_a_long_prompt_the_model_that_is_read_sees_the_end(foreign: Path, tmp_path: Path) -> None:
    start, *_ = run_session(plan(tmp_path / "run", prompt="x" * 21, start_from=foreign), CORPUS)
    assert "21 bytes, and the model sees the last" in start.warning


def test_weights_without_moments_start_with_zero_moments(saved: dict[str, Path], tmp_path: Path) -> None:
    checkpoint = load_checkpoint(saved["numpy"])
    save_checkpoint(tmp_path / "run", Checkpoint(checkpoint.config, checkpoint.train, checkpoint.weights))
    assert not (tmp_path / "run" / OPTIMIZER).exists()
    bare = load_checkpoint(tmp_path / "run")
    assert dataclasses.replace(checkpoint, weights={}, optimizer=None) == dataclasses.replace(bare, weights={})
    engine = create_engine("numpy", bare.config, bare.train)
    engine.load_state_dict(bare.weights)
    assert engine.optimizer_state().step == 0
