"""Events of a training session, which views print and recorders store.

In all of them ``step`` counts the updates so far, losses are in nats per byte, and ``train_loss`` is the mean over the
recent steps, not a number before the first one. ``elapsed_seconds`` is the time spent in the run, including earlier
parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygpt.config import TrainConfig
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.trainer import StepRecord


@dataclass(frozen=True)
class StartRecord:
    """The first event.

    Attributes:
        train: batch and optimiser settings in force.
        engine_options: the engine's options, with defaults resolved.
        first_step: number of steps in earlier parts of the run; 0 in a new run.
        warning: a warning about the text, if it is too small for the model or not plain text.
        changes: a line for each setting that a resumed run no longer shares with its earlier parts.
        tokenizer: of the text and the model.
        bytes_per_token: mean over the training text; a loss per byte times this is one per token.
        n_trained: numbers that training changes; None for all of the model.
        train_loss: mean over the last steps of earlier parts of the run, if there are any.
        held_out: step and loss of the newest evaluation there, if there is one.
        loss_before: held-out loss of the weights that the run started from, if an earlier part measured it.
    """

    plan: TrainingPlan
    train: TrainConfig
    engine_options: dict[str, Any]
    corpus_sha256: str
    corpus_bytes: int
    n_parameters: int
    first_step: int
    warning: str | None
    changes: tuple[str, ...] = ()
    tokenizer: Tokenizer = BYTES
    bytes_per_token: float = 1.0
    n_trained: int | None = None
    train_loss: float | None = None
    held_out: tuple[int, float] | None = None
    loss_before: float | None = None


@dataclass(frozen=True)
class EvaluationRecord:
    """An evaluation; ``held_out_loss`` is the mean over its batches of held-out text."""

    step: int
    train_loss: float
    held_out_loss: float
    elapsed_seconds: float


@dataclass(frozen=True)
class SampleRecord:
    """Text that the model wrote, unselected and unedited.

    Attributes:
        text: the continuation of the prompt; bytes that are not UTF-8 are U+FFFD.
        n_tokens: number of generated tokens; this and the next three fields are of ``SamplingSettings``.
        tokens_per_second: decoding speed.
        held_out_loss: the newest evaluation, if any.
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
    """A complete checkpoint on the disk.

    Attributes:
        seconds: duration of the save.
        verified: it was loaded again and compared, number by number.
        best: it is the best so far, which is kept separately and not resumed from.
    """

    step: int
    path: Path
    seconds: float
    verified: bool
    best: bool = False


@dataclass(frozen=True)
class PlanRecord:
    """A run by the clock was planned again: its number of steps has changed."""

    step: int
    plan: TrainingPlan


@dataclass(frozen=True)
class StopRecord:
    """The last event: the run has ended or was stopped, and its checkpoint is saved.

    Attributes:
        reason: ``finished``, ``stopped early`` (the held-out loss no longer fell) or ``interrupted``.
        signal: name of the signal that stopped it, such as ``SIGINT``.
        exit_code: the process's: 0, or 128 plus the signal's number as in shells.
        held_out_loss: the newest evaluation, if any.
    """

    reason: str
    signal: str | None
    exit_code: int
    step: int
    plan: TrainingPlan
    train_loss: float | None
    held_out_loss: float | None
    elapsed_seconds: float


Event = StartRecord | StepRecord | EvaluationRecord | SampleRecord | CheckpointRecord | PlanRecord | StopRecord
