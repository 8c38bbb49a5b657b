"""A learning-rate sweep: one preset, text and number of steps, at several rates with several recipes.

Every run is a training run in the tables, with the suite ``sweep``. A rate at which training diverges also has a row,
because a sweep is to show where a curve ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.training.record_training import record_events
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError, DivergedError
from tinygpt.training.events import EvaluationRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session

SUITE = "sweep"
_EVALUATION_BATCHES = 64


@dataclass(frozen=True)
class SweepPoint:
    """One run of a sweep.

    Attributes:
        recipe: name of a row of ``RECIPES``.
        learning_rate: the highest η.
        status: ``ok``, ``diverged`` or ``interrupted``.
        held_out_loss: at the end, nats per byte; None if it diverged.
        exit_code: 128 plus the signal's number if the user stopped it, else 0.
    """

    recipe: str
    learning_rate: float
    status: str
    held_out_loss: float | None
    exit_code: int = 0


def run_sweep(
    plan: TrainingPlan, corpus: Corpus, results_root: Path, rates: Iterable[float], recipes: Iterable[str]
) -> Iterator[SweepPoint]:
    """Train at every rate with every recipe and record each run; stop after a run that the user stopped.

    Args:
        plan: preset, engine, steps and seed; its rate, recipe and folder are replaced.
        corpus: the text.
        results_root: the results folder; made if missing.
        rates: learning rates.
        recipes: names of recipes.

    Raises:
        ConfigError: there is nothing to run, or a rate or recipe is not allowed.
        StorageError: the rows cannot be written.
    """
    plan = replace(plan, eval_batches=_EVALUATION_BATCHES, sample_every=plan.steps)
    with tempfile.TemporaryDirectory(prefix="tinygpt-sweep-") as name:
        plans = [
            replace(plan, out=Path(name) / f"{recipe}-{rate:g}", recipe=recipe, learning_rate=rate)
            for recipe in recipes
            for rate in rates
        ]
        if not plans:
            raise ConfigError("the sweep has no rates or no recipes", "at least one of each", "invoke sweep")
        for point in (_run(each, corpus, results_root) for each in plans):
            yield point
            if point.status == "interrupted":
                return


def _run(plan: TrainingPlan, corpus: Corpus, results_root: Path) -> SweepPoint:
    assert plan.recipe is not None and isinstance(plan.learning_rate, float)
    point = SweepPoint(plan.recipe, plan.learning_rate, "ok", None)
    try:
        for event in record_events(run_session(plan, corpus), results_root, SUITE):
            if isinstance(event, EvaluationRecord):
                point = replace(point, held_out_loss=event.held_out_loss)
            elif isinstance(event, StopRecord) and event.reason == "interrupted":
                point = replace(point, status="interrupted", exit_code=event.exit_code)
    except DivergedError:
        return replace(point, status="diverged", held_out_loss=None)
    return point
