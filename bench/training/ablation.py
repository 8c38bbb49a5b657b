"""An ablation: a recipe, and the same run with one thing changed at a time, each with several seeds.

Every run is a training run in the tables, with the suite ``ablation``. An idea is a row of ``IDEAS``: settings that
replace the recipe's. What an idea is worth is its mean loss against the recipe's, beside the seeds' range.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.records.provenance import Provenance
from bench.training.record_training import record_events
from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError, DivergedError
from tinygpt.recipes import RECIPES
from tinygpt.table import Table
from tinygpt.training.events import EvaluationRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session

SUITE = "ablation"
_ALL_BATCHES = 2**20  # of held-out text: all of it
_EVALUATIONS = 20


def _rate(factor: float) -> Callable[[TrainingPlan], dict[str, Any]]:
    return lambda plan: {"learning_rate": factor * plan.train_config(plan.preset_entry.train).learning_rate}


def _batch(factor: float) -> Callable[[TrainingPlan], dict[str, Any]]:
    """Return the change to another batch that reads the same number of tokens."""

    def change(plan: TrainingPlan) -> dict[str, Any]:
        rows = max(1, round(factor * plan.preset_entry.train.batch_size))
        return {"batch_size": rows, "steps": round(plan.steps * plan.preset_entry.train.batch_size / rows)}

    return change


def _settings(**values: Any) -> Callable[[TrainingPlan], dict[str, Any]]:
    return lambda _plan: values


@dataclass(frozen=True)
class Idea:
    """A change to a run.

    Attributes:
        name: the value of ``--ideas``.
        words: one line for tables.
        changes: returns the plan's fields that change.
    """

    name: str
    words: str
    changes: Callable[[TrainingPlan], Mapping[str, Any]]


IDEAS = Table(
    "idea",
    {
        idea.name: idea
        for idea in (
            Idea("none", "the recipe muon", _settings()),
            Idea("adamw", "AdamW for all parameters", _settings(recipe="stable")),
            Idea("cosine", "a cosine to a tenth", _settings(schedule="cosine")),
            Idea("adamw-cosine", "AdamW with a cosine to a tenth", _settings(recipe="cosine")),
            Idea("constant", "a rate that stays", _settings(schedule="constant")),
            Idea("half-rate", "half of the rate", _rate(0.5)),
            Idea("double-rate", "twice the rate", _rate(2.0)),
            Idea("no-warmup", "no warm-up", _settings(warmup_steps=0)),
            Idea("half-batch", "half of the batch, twice the steps", _batch(0.5)),
            Idea("double-batch", "twice the batch, half of the steps", _batch(2.0)),
            Idea("dropout", "dropout 0.1", _settings(dropout=0.1)),
            Idea("more-dropout", "dropout 0.2", _settings(dropout=0.2)),
        )
    },
)
"""Name → change."""


@dataclass(frozen=True)
class Outcome:
    """The result of one run; ``held_out_loss`` is None if it diverged."""

    idea: str
    seed: int
    steps: int
    held_out_loss: float | None
    exit_code: int = 0


def run_ablation(
    plan: TrainingPlan,
    corpus: Corpus,
    results_root: Path,
    ideas: Iterable[str],
    seeds: Iterable[int],
    code: Provenance | None = None,
) -> Iterator[Outcome]:
    """Train every idea with every seed and record each run; stop after a run that the user stopped.

    Args:
        plan: preset, recipe, engine and steps; its seed and folder are replaced.
        corpus: the text.
        results_root: the results folder; made if missing.
        ideas: names of rows of ``IDEAS``.
        seeds: of the starting weights and the batches.
        code: commit of the code; the checkout's when omitted.

    Raises:
        ConfigError: there is nothing to run, or an idea does not exist.
        StorageError: the rows cannot be written.
    """
    if plan.recipe is not None:
        RECIPES[plan.recipe]
    chosen, numbers = [IDEAS[name] for name in ideas], tuple(seeds)
    if not chosen or not numbers:
        raise ConfigError("the ablation has no ideas or no seeds", "at least one of each", "invoke ablate")
    plan = replace(plan, eval_batches=_ALL_BATCHES)
    with tempfile.TemporaryDirectory(prefix="tinygpt-ablation-") as name:
        for seed in numbers:
            for idea in chosen:
                own = replace(plan, seed=seed, out=Path(name) / f"{idea.name}-{seed}")
                own = replace(own, **idea.changes(own))
                every = max(1, own.steps // _EVALUATIONS)
                outcome = _run(replace(own, eval_every=every, sample_every=own.steps), idea, corpus, results_root, code)
                yield outcome
                if outcome.exit_code:
                    return


def _run(plan: TrainingPlan, idea: Idea, corpus: Corpus, results_root: Path, code: Provenance | None) -> Outcome:
    outcome = Outcome(idea.name, plan.seed, plan.steps, None)
    try:
        for event in record_events(run_session(plan, corpus), results_root, SUITE, code=code):
            if isinstance(event, EvaluationRecord):
                outcome = replace(outcome, held_out_loss=event.held_out_loss)
            elif isinstance(event, StopRecord):
                outcome = replace(outcome, exit_code=event.exit_code)
    except DivergedError:
        return replace(outcome, held_out_loss=None)
    return outcome
