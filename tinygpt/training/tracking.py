"""The course of a run for tools that draw it: events of a session as numbers and texts of a tracker.

    StepRecord          train/loss, train/gradient_norm, train/learning_rate, train/tokens_per_second
    EvaluationRecord    held_out/loss
    SampleRecord        a text

Losses are in nats per byte. Steps that follow each other within a tenth of a second are thinned to the first, so that
a tracker takes no time from a small model. One that fails ends with a line, and the run goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from tinygpt.engines.extras import Extra
from tinygpt.errors import unknown_name
from tinygpt.training.events import EvaluationRecord, Event, SampleRecord, StartRecord
from tinygpt.training.trainer import StepRecord

_SECONDS_BETWEEN = 0.1

_log = logging.getLogger(__name__)


class Tracker(Protocol):
    """A tool, as far as a run writes for it."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers by name."""

    def text(self, step: int, name: str, text: str) -> None:
        """Write a text."""

    def close(self) -> None:
        """Write what is left."""


Open = Callable[[Path, Mapping[str, Any]], Tracker]


@dataclass(frozen=True)
class _Kind:
    """A tool: its package, and our module with ``open_tracker(folder, settings)``."""

    package: str
    module: str


TRACKERS = MappingProxyType(
    {
        "tensorboard": _Kind("tensorboard", "tinygpt.training.tensorboard_tracker"),
        "trackio": _Kind("trackio", "tinygpt.training.trackio_tracker"),
    }
)


def track(events: Iterable[Event], name: str) -> Iterator[Event]:
    """Pass a session's events on, and write them for a tool.

    Raises:
        ConfigError: the tool is unknown.
        MissingDependencyError: its package is not installed.
    """
    if name not in TRACKERS:
        raise unknown_name("tracker", name, TRACKERS, "invoke train --track tensorboard")
    kind = TRACKERS[name]
    return _tracked(events, name, Extra("track", kind.package).module(kind.module, f"--track {name}").open_tracker)


def _tracked(events: Iterable[Event], name: str, open_tracker: Open) -> Iterator[Event]:
    tracker: Tracker | None = None
    due = 0.0
    try:
        for event in events:
            is_step, now = isinstance(event, StepRecord), time.monotonic()
            try:
                if isinstance(event, StartRecord):
                    tracker = open_tracker(event.plan.out, _settings(event))
                elif tracker is not None and (now >= due or not is_step):
                    due = now + _SECONDS_BETWEEN if is_step else due
                    _write(tracker, event)
            except Exception as error:  # a tool may raise anything, and the run is worth more than its picture
                tracker = None
                _lost(name, error)
            yield event
    finally:
        if tracker is not None:
            try:
                tracker.close()
            except Exception as error:
                _lost(name, error)


def _lost(name: str, error: Exception) -> None:
    _log.warning("%s gets nothing more, and the run goes on (%s: %s)", name, type(error).__name__, error)


def _settings(start: StartRecord) -> dict[str, Any]:
    """The run's settings, as plain values."""
    plan = start.plan
    own = {"preset": plan.preset, "corpus": plan.corpus, "engine": plan.engine, "steps": plan.steps, "seed": plan.seed}
    return own | {"parameters": start.n_parameters, "tokenizer": start.tokenizer.name} | asdict(start.train)


def _write(tracker: Tracker, event: Event) -> None:
    if isinstance(event, StepRecord):
        tracker.numbers(
            event.step,
            {
                "train/loss": event.loss,
                "train/gradient_norm": event.grad_norm,
                "train/learning_rate": event.learning_rate,
                "train/tokens_per_second": event.tokens / event.seconds,
            },
        )
    elif isinstance(event, EvaluationRecord):
        tracker.numbers(event.step, {"held_out/loss": event.held_out_loss})
    elif isinstance(event, SampleRecord):
        tracker.text(event.step, "sample", event.prompt + event.text)
