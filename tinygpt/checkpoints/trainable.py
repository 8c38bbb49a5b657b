"""Engines that continue from a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygpt.checkpoints.checkpoint import as_checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.engines import DEFAULT_ENGINE, Engine, create_engine
from tinygpt.errors import ConfigError
from tinygpt.generation.inference import LanguageModel

_ALL = "all weights"


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
    for setting in ("optimizer", "train_only", "lora"):  # of which the moments are
        before, now = getattr(saved.train, setting), getattr(train, setting)
        if saved.optimizer is not None and before != now:
            before, now = before or _ALL, now or _ALL
            problem = f"the saved optimiser's state is of {before}, and the settings have {now}"
            raise ConfigError(problem, before, "create_engine with weights=, which starts without it")
    if saved.adapter is not None and not train.lora:
        saved = saved.folded()
    engine = create_engine(name, saved.config, train, seed, weights=saved.weights, adapter=saved.adapter, **options)
    engine.tokenizer = saved.tokenizer
    if saved.optimizer is not None:
        engine.load_optimizer_state(saved.optimizer)
    return engine
