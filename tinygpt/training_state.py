"""Where a run stands, as a record that survives the way through JSON exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tinygpt.config import TrainConfig
from tinygpt.errors import CheckpointError, ConfigError


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

    def __post_init__(self) -> None:
        for name in ("step", "planned_steps", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"TrainingState.{name} is {getattr(self, name)!r}", "a whole number, 0 or more")
        if not (math.isfinite(self.elapsed_seconds) and self.elapsed_seconds >= 0):
            raise ConfigError(
                f"TrainingState.elapsed_seconds is {self.elapsed_seconds!r}", "a finite number, 0 or more"
            )


# ---- from JSON: every field has a check, and an unknown or missing field is an error --------------------------


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value: Any) -> bool:
    # A whole number beyond float's range passes isinstance and fails every later use.
    return isinstance(value, float) or (_is_int(value) and abs(value) < 2**53)


def _is_optional_float(value: Any) -> bool:
    return value is None or _is_float(value)


def _is_floats(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_float, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


Check = tuple[Callable[[Any], bool], str]

_TRAINING_FIELDS: Mapping[str, Check] = {
    "step": (_is_int, "a whole number"),
    "planned_steps": (_is_int, "a whole number"),
    "seed": (_is_int, "a whole number"),
    "preset": (_is_text, "text"),
    "corpus": (_is_text, "text"),
    "corpus_sha256": (_is_text, "text"),
    "engine": (_is_text, "text"),
    "engine_options": (lambda value: isinstance(value, dict), "an object"),
    "recent_losses": (_is_floats, "a list of numbers"),
    "held_out_loss": (_is_optional_float, "a number or null"),
    "best_held_out_loss": (_is_optional_float, "a number or null"),
    "best_step": (lambda value: value is None or _is_int(value), "a whole number or null"),
    "elapsed_seconds": (_is_float, "a number"),
}

_TRAIN_FIELDS: Mapping[str, Check] = {
    field.name: {
        "batch_size": (_is_int, "a whole number"),
        "betas": (_is_floats, "a list of numbers"),
    }.get(field.name, (_is_float, "a number"))
    for field in fields(TrainConfig)
}


def _checked(value: Any, checks: Mapping[str, Check], what: str, source: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise CheckpointError(f"{what} of {source} is {value!r:.60}", "an object")
    for name in [*checks, *value]:
        if name not in checks:
            raise CheckpointError(f"{what} of {source} has an unknown field {name!r}", ", ".join(checks))
        if name not in value:
            raise CheckpointError(f"{what} of {source} lacks the field {name!r}", ", ".join(checks))
        check, allowed = checks[name]
        if not check(value[name]):
            raise CheckpointError(f"{what}.{name} of {source} is {value[name]!r:.60}", allowed)
    return {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}


def parse_train_config(value: Any, source: str) -> TrainConfig:
    """Read batch and optimiser settings from parsed JSON.

    Raises:
        CheckpointError: a field is missing, unknown, of another type or out of range; names the source.
    """
    try:
        return TrainConfig(**_checked(value, _TRAIN_FIELDS, "train", source))
    except ConfigError as error:
        raise CheckpointError(f"{source}: {error.problem}", error.allowed) from None


def parse_training_state(value: Any, source: str) -> TrainingState:
    """Read a run's state from parsed JSON.

    Raises:
        CheckpointError: a field is missing, unknown, of another type or out of range; names the source.
    """
    try:
        return TrainingState(**_checked(value, _TRAINING_FIELDS, "training", source))
    except ConfigError as error:
        raise CheckpointError(f"{source}: {error.problem}", error.allowed) from None
