"""Engines that continue from a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygpt.checkpoints.checkpoint import as_checkpoint, load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.engines import DEFAULT_ENGINE, Engine, create_engine
from tinygpt.errors import ConfigError
from tinygpt.generation.inference import LanguageModel


def load_engine(
    source: str | Path | LanguageModel,
    name: str = DEFAULT_ENGINE,
    *,
    train: TrainConfig | None = None,
    seed: int | None = None,
    **options: Any,
) -> Engine:
    """Make a trainable engine with a saved model's weights.

    It includes the AdamW state of a checkpoint or an engine, so that the next step is the one that it would have taken.

    Args:
        source: a checkpoint's folder, or a model: a loaded checkpoint, one of the gallery, another engine.
        name: an engine, or a variant such as ``vectorized[threads=1]``.
        train: batch and optimiser settings; by default the model's own, or a batch of 8 if it has none.
        seed: seeds the dropout masks; by default the saved run's or the engine's, or 0.
        options: engine options that override those in the name.

    Raises:
        CheckpointError: the folder or a file is missing, damaged, of a newer format, or of another model.
        ConfigError: the engine or an option is unknown, or the settings have dropout and the engine does not, or
            they have another optimiser than the saved state.
    """
    saved = load_checkpoint(source) if isinstance(source, str | Path) else as_checkpoint(source)
    if seed is None:
        seed = saved.training.seed if saved.training else getattr(source, "seed", 0)
    train = train or saved.train
    if saved.optimizer is not None and train.optimizer != saved.train.optimizer:
        problem = f"the saved optimiser's state is of {saved.train.optimizer}, and the settings have {train.optimizer}"
        raise ConfigError(problem, saved.train.optimizer, "create_engine with weights=, which starts without it")
    engine = create_engine(name, saved.config, train, seed, weights=saved.weights, **options)
    engine.tokenizer = saved.tokenizer
    if saved.optimizer is not None:
        engine.load_optimizer_state(saved.optimizer)
    return engine
