"""A training run's progress, accumulated from its events, for both views."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace

from tinygpt.training.events import (
    CheckpointRecord,
    EvaluationRecord,
    Event,
    PlanRecord,
    SampleRecord,
    StartRecord,
    StopRecord,
)
from tinygpt.training.trainer import StepRecord

_RECENT = 20  # steps in the mean loss and speed


@dataclass
class RunProgress:
    """The progress of a run, accumulated from its events."""

    start: StartRecord
    began: float = field(default_factory=time.monotonic)
    step: int = 0
    losses: list[float] = field(default_factory=list)
    recent: deque[StepRecord] = field(default_factory=lambda: deque(maxlen=_RECENT))
    held_out: tuple[int, float] | None = None  # step and loss of the newest evaluation
    loss_before: float | None = None  # held-out loss before the first step, of a run that starts from weights
    sample: SampleRecord | None = None
    checkpoint: CheckpointRecord | None = None
    stopped: StopRecord | None = None

    def __post_init__(self) -> None:
        self.step, self.held_out, self.loss_before = self.start.first_step, self.start.held_out, self.start.loss_before

    def update(self, event: Event) -> None:
        """Add an event."""
        match event:
            case StepRecord():
                self.step = event.step
                self.losses.append(event.loss)
                self.recent.append(event)
            case EvaluationRecord():
                self.held_out = event.step, event.held_out_loss
                self.loss_before = self.loss_before if event.step else event.held_out_loss
            case SampleRecord():
                self.sample = event
            case CheckpointRecord(best=False):
                self.checkpoint = event
            case PlanRecord():
                self.start = replace(self.start, plan=event.plan)
            case StopRecord():
                self.stopped = event

    @property
    def train_loss(self) -> float | None:
        """Mean loss of the newest steps, nats per byte; before this part's first one, of the part before."""
        if not self.recent:
            return self.start.train_loss
        return sum(record.loss for record in self.recent) / len(self.recent)

    @property
    def held_out_loss(self) -> float | None:
        """The newest evaluation, nats per byte."""
        return None if self.held_out is None else self.held_out[1]

    @property
    def tokens_per_second(self) -> float | None:
        """Training speed over the newest steps, without evaluations and samples."""
        seconds = sum(record.seconds for record in self.recent)
        return sum(record.tokens for record in self.recent) / seconds if seconds > 0 else None

    @property
    def next_sample_step(self) -> int:
        """The step of the next sample; there is always one after the last step."""
        interval = self.start.plan.sample_interval
        return min(self.start.plan.steps, (self.step // interval + 1) * interval)

    @property
    def elapsed_seconds(self) -> float:
        """Time spent in this part of the run."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float | None:
        """Time left at the mean speed of this part, including evaluations, samples and checkpoints."""
        done = self.step - self.start.first_step
        return self.elapsed_seconds / done * (self.start.plan.steps - self.step) if done else None
