"""Engines that go on from what was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygpt.checkpoints.checkpoint import FOREIGN_TRAIN, Checkpoint, load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.engines import DEFAULT_ENGINE, Engine, create_engine
from tinygpt.generation.inference import LanguageModel


def load_engine(
    source: str | Path | LanguageModel,
    name: str = DEFAULT_ENGINE,
    *,
    train: TrainConfig | None = None,
    seed: int | None = None,
    **options: Any,
) -> Engine:
    """A trainable engine with a saved model's weights.

    A checkpoint's AdamW state comes with it, so that the next step is the one that its run would have taken.

    Args:
        source: a checkpoint's folder, or a model: a loaded checkpoint, one of the gallery, another engine.
        name: an engine, or a variant such as ``vectorized[threads=1]``.
        train: batch and optimiser settings; the checkpoint's when omitted, or a batch of 8 where there are none.
        seed: of the dropout masks; the saved run's when omitted, or 0.
        options: the engine's options, over those in the name.

    Raises:
        CheckpointError: the folder or a file is missing, damaged, of a newer format, or of another model.
        ConfigError: the engine or an option is unknown, or the engine lacks the dropout that the settings ask for.
    """
    model = load_checkpoint(source) if isinstance(source, str | Path) else source
    saved = model if isinstance(model, Checkpoint) else Checkpoint(model.model, FOREIGN_TRAIN, model.state_dict())
    if seed is None:
        seed = saved.training.seed if saved.training else 0
    engine = create_engine(name, saved.model, train or saved.train, seed, weights=saved.weights, **options)
    if saved.optimizer is not None:
        engine.load_optimizer_state(saved.optimizer)
    return engine
