"""What a training session reports while it runs; views print these, recorders store them, nobody else is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygpt.config import TrainConfig
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.trainer import StepRecord


@dataclass(frozen=True)
class StartRecord:
    """Comes first: what is about to run.

    Attributes:
        plan: what was asked for.
        train: batch and optimiser settings in force.
        engine_options: what the engine made of its variant.
        corpus_sha256: hash of the text.
        corpus_bytes: its size.
        n_parameters: of the model.
        first_step: steps that earlier parts of the run took; 0 in a new run.
        warning: plain words, when the text is too small for the model or looks like something else.
    """

    plan: TrainingPlan
    train: TrainConfig
    engine_options: dict[str, Any]
    corpus_sha256: str
    corpus_bytes: int
    n_parameters: int
    first_step: int
    warning: str | None


@dataclass(frozen=True)
class EvaluationRecord:
    """An evaluation on the held-out text.

    Attributes:
        step: updates done.
        train_loss: mean of the recent steps' training losses, nats per token.
        held_out_loss: mean over the evaluation's batches, nats per token.
        elapsed_seconds: time spent in the run, earlier parts included.
    """

    step: int
    train_loss: float
    held_out_loss: float
    elapsed_seconds: float


@dataclass(frozen=True)
class SampleRecord:
    """Text that the model wrote, exactly as it came: not picked, not trimmed.

    Attributes:
        step: updates done.
        prompt: what it continues.
        text: the continuation; bytes that are not UTF-8 are U+FFFD.
        n_tokens: tokens generated.
        temperature: sampling temperature.
        top_k: how many candidates were kept, or None for all.
        seed: of the random choices.
        tokens_per_second: decoding speed.
        first_token_seconds: time to the first token.
        train_loss: mean of the recent steps' training losses, nats per token.
        held_out_loss: the newest evaluation, if there has been one.
    """

    step: int
    prompt: str
    text: str
    n_tokens: int
    temperature: float
    top_k: int | None
    seed: int
    tokens_per_second: float
    first_token_seconds: float
    train_loss: float
    held_out_loss: float | None


@dataclass(frozen=True)
class CheckpointRecord:
    """A checkpoint that is on the disk, whole.

    Attributes:
        step: updates done.
        path: the folder.
        seconds: time the save took.
        verified: it was loaded again and compared, number by number.
        best: it is the best so far, kept apart, and not the one that a run goes on from.
    """

    step: int
    path: Path
    seconds: float
    verified: bool
    best: bool = False


@dataclass(frozen=True)
class StopRecord:
    """Comes last: the run is over or was stopped; its checkpoint is saved.

    Attributes:
        reason: ``finished``, ``stopped early`` (the held-out loss fell no more) or ``interrupted``.
        signal: name of the signal that asked, such as ``SIGINT``.
        exit_code: for the process: 0, or 128 plus the signal's number as shells have it.
        step: updates done.
        plan: what was asked for.
        train_loss: mean of the recent steps' training losses, nats per token.
        held_out_loss: the newest evaluation, nats per token.
        elapsed_seconds: time spent in the run, earlier parts included.
    """

    reason: str
    signal: str | None
    exit_code: int
    step: int
    plan: TrainingPlan
    train_loss: float | None
    held_out_loss: float | None
    elapsed_seconds: float


Event = StartRecord | StepRecord | EvaluationRecord | SampleRecord | CheckpointRecord | StopRecord
