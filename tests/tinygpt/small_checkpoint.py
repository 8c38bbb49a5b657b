"""A checkpoint of a few thousand bytes, for the tests of saving and loading."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import STATE
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import CheckpointError
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays, initial_parameters

MODEL = ModelConfig(n_layers=1, d_model=4, n_heads=2, context_length=3)
TRAIN = TrainConfig(batch_size=2, learning_rate=1e-3)


def arrays(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(array.shape, np.float32) for name, array in initial_parameters(MODEL, 0).items()}


def state(step: int) -> TrainingState:
    return TrainingState(step, 100, 7, "small", "stories", "ab" * 32, "numpy", {"threads": 2}, (2.5, 1 / 3), 2.25)


def save(folder: Path, step: int = 5) -> None:
    optimizer = OptimizerState(step, arrays(1000 + step), arrays(2000 + step))
    save_checkpoint(folder, Checkpoint(MODEL, TRAIN, arrays(step), optimizer, state(step)))


def edit_state(folder: Path, **changes: object) -> None:
    """Change a training state and its checksum; the value ``"absent"`` removes a field."""
    path = folder / STATE
    edited = json.loads(path.read_text()) | changes
    edited = {key: item for key, item in edited.items() if item != "absent" and key != "checksum"}
    text = json.dumps(edited, indent=2) + "\n"
    path.write_text(json.dumps(edited | {"checksum": hashlib.sha256(text.encode()).hexdigest()}))


def step_of(folder: Path) -> int:
    training = load_checkpoint(folder).training
    assert training is not None
    return training.step


def failure(folder: Path) -> str:
    """The loader's message about a folder that it refuses; one line."""
    try:
        load_checkpoint(folder)
    except CheckpointError as error:
        assert str(error) and "\n" not in str(error)
        return str(error)
    raise AssertionError(f"{folder} was loaded")
