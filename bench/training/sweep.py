"""A learning-rate sweep: one preset, one text, so many steps, at several rates and by several recipes, on record.

Every run is a training run in the tables, with the suite ``sweep``. A rate at which training diverges is a row, too:
where a curve ends is what the sweep is for.
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
# Half-decades around the two rates of the story: the reference's 3e-4, and 3e-3, where the original stood for months.
DEFAULT_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
DEFAULT_RECIPES = ("constant", "warmup", "cosine")
_EVALUATION_BATCHES = 64


@dataclass(frozen=True)
class SweepPoint:
    """One run of a sweep.

    Attributes:
        recipe: name of a row of ``RECIPES``.
        learning_rate: η at its highest.
        status: ``ok``, ``diverged`` or ``interrupted``.
        held_out_loss: at the end, nats per byte; None if it diverged.
        exit_code: 128 plus the signal's number if it was stopped by hand, else 0.
    """

    recipe: str
    learning_rate: float
    status: str
    held_out_loss: float | None
    exit_code: int = 0


def run_sweep(
    plan: TrainingPlan,
    corpus: Corpus,
    results_root: Path,
    rates: Iterable[float] = DEFAULT_RATES,
    recipes: Iterable[str] = DEFAULT_RECIPES,
) -> Iterator[SweepPoint]:
    """Train at every rate by every recipe and record each run; ends early when one is stopped by hand.

    Args:
        plan: preset, engine, steps and seed; its rate, recipe and folder are replaced.
        corpus: the text.
        results_root: the results folder; made if missing.
        rates: learning rates.
        recipes: names of recipes.

    Raises:
        ConfigError: there is nothing to run, or a rate or recipe cannot be used.
        StorageError: the rows cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="tinygpt-sweep-") as name:
        plans = [
            replace(
                plan,
                out=Path(name) / f"{recipe}-{rate:g}",
                recipe=recipe,
                learning_rate=rate,
                eval_batches=_EVALUATION_BATCHES,
                sample_every=plan.steps,
            )
            for recipe in recipes
            for rate in rates
        ]
        if not plans:
            raise ConfigError("the sweep has no rates or no recipes", "at least one of each", "invoke sweep")
        for one in plans:
            point = _run(one, corpus, results_root)
            yield point
            if point.status == "interrupted":
                return


def _run(plan: TrainingPlan, corpus: Corpus, results_root: Path) -> SweepPoint:
    assert plan.recipe is not None and plan.learning_rate is not None
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
