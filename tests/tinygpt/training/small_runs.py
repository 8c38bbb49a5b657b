"""Training runs of a few steps on a short text, and what their events hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tinygpt.corpora import Corpus
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.training.events import Event
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.trainer import StepRecord

SENTENCES = "The fox saw a hen. The hen saw the fox. Off she went, over the wall and home again.\n"
CORPUS = Corpus("fables", (SENTENCES * 40).encode(), (SENTENCES[::-1] * 10).encode(), "public domain", "written here")
SAMPLING = SamplingSettings(12, temperature=0.8, top_k=40)


def plan(out: Path, **changes: object) -> TrainingPlan:
    base = TrainingPlan(
        out, preset="tiny", corpus="fables", engine="numpy", steps=6, seed=3, eval_batches=2, sampling=SAMPLING
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def losses(events: list[Event]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepRecord)]


def only(events: list[Event], kind: type) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]
