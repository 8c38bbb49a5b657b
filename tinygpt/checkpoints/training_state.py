"""Where a run stands, as a record that survives the way through JSON exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tinygpt.config import TrainConfig
from tinygpt.errors import ConfigError
from tinygpt.system.json_records import record_from_json


@dataclass(frozen=True)
class TrainingState:
    """What a resumed run has to know beside weights and moments.

    Attributes:
        step: updates done; the next batch is the sampler's batch of this number.
        planned_steps: the length the run was started with.
        seed: of the starting weights and of the batches.
        preset: name of the preset.
        corpus: name of the corpus.
        corpus_sha256: its hash, so that a changed text is noticed.
        engine: the engine's variant as it was asked for, such as ``vectorized[threads=1]``.
        engine_options: what the engine made of it.
        recent_losses: training losses of the last steps, oldest first, nats per token.
        held_out_loss: the newest evaluation, nats per token.
        best_held_out_loss: the lowest evaluation so far.
        best_step: the step of that evaluation.
        elapsed_seconds: time spent in the run so far, over all its parts.
        evaluated_step: the step of the newest evaluation, 0 before the first; None in a checkpoint of an older format.
        sampled_step: the step of the newest sample, likewise.
        started_from: the folder whose weights the run began with, when it was not the seed's.
        settings: what else its command said: option → value.

    Raises:
        ConfigError: a field is outside its range.
    """

    step: int
    planned_steps: int
    seed: int
    preset: str
    corpus: str
    corpus_sha256: str
    engine: str
    engine_options: dict[str, Any] = field(default_factory=dict)
    recent_losses: tuple[float, ...] = ()
    held_out_loss: float | None = None
    best_held_out_loss: float | None = None
    best_step: int | None = None
    elapsed_seconds: float = 0.0
    evaluated_step: int | None = None
    sampled_step: int | None = None
    started_from: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("step", "planned_steps", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"TrainingState.{name} is {getattr(self, name)!r}", "a whole number, 0 or more")
        if not (math.isfinite(self.elapsed_seconds) and self.elapsed_seconds >= 0):
            raise ConfigError(
                f"TrainingState.elapsed_seconds is {self.elapsed_seconds!r}", "a finite number, 0 or more"
            )


# ---- from JSON -----------------------------------------------------------------------------------------------


def parse_train_config(value: Any, source: str, older: bool = False) -> TrainConfig:
    """Read batch and optimiser settings from parsed JSON.

    Args:
        value: what the parser made of it.
        source: the file, for messages.
        older: the file's format is an earlier one, whose missing fields take their defaults.

    Raises:
        CheckpointError: a field is missing, unknown, of another type or out of range; names the source.
    """
    return record_from_json(TrainConfig, value, "train", source, defaults=older)


def parse_training_state(value: Any, source: str, older: bool = False) -> TrainingState:
    """Read a run's state from parsed JSON.

    Args:
        value: what the parser made of it.
        source: the file, for messages.
        older: the file's format is an earlier one, whose missing fields take their defaults.

    Raises:
        CheckpointError: a field is missing, unknown, of another type or out of range; names the source.
    """
    return record_from_json(TrainingState, value, "training", source, defaults=older)
