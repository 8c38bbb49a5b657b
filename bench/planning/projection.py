"""Cost models fitted to results, one for each engine on each machine, and projections to other presets.

A fit never mixes machines, nor published and local rows: a model's scope is (origin, machine). Only this project's
engines without options are projected. The steps of other engines are not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from bench.arms.devices import of_processors
from bench.records.grouping import grouped
from bench.records.rows import Scope
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import chosen_cells, complete_runs
from bench.statistics.compare import KINDS
from bench.statistics.cost_model import CostModel, Estimate, fit_cost_model
from tinygpt.engines import CPU_ENGINES
from tinygpt.presets import LADDER


class StepTime(NamedTuple):
    """The median seconds of a variant's step at a preset, in a scope."""

    scope: Scope
    variant: str
    preset: str
    seconds: float


@dataclass(frozen=True)
class Projection:
    """The estimated step of an engine at a preset where it was not measured."""

    variant: str
    preset: str
    estimate: Estimate


def measured_cells(runs: pd.DataFrame, steps: pd.DataFrame) -> list[CellSummary]:
    """Return the measured cells among the chosen ones of each machine."""
    cells = cell_summary(runs, steps)
    complete = complete_runs(cell_summary(of_processors(runs), steps, KINDS))
    return [cell for cell in chosen_cells(cells, complete) if cell.n_rounds]


def fit_models(times: Iterable[StepTime]) -> dict[Scope, dict[str, CostModel]]:
    """Fit a model to every engine of every scope with enough measured presets: scope → engine → model.

    Args:
        times: one for each scope, variant and preset; presets that no longer exist are skipped.
    """
    models: dict[Scope, dict[str, CostModel]] = {}
    own = (time for time in times if time.variant in CPU_ENGINES and time.preset in LADDER and time.seconds > 0)
    for (scope, variant), group in grouped(own, lambda time: (time.scope, time.variant)).items():
        model = fit_cost_model(variant, {time.preset: time.seconds for time in group})
        if model is not None:
            models.setdefault(scope, {})[variant] = model
    return models


def project(models: Mapping[str, CostModel]) -> list[Projection]:
    """Project a scope's models to every preset that they were not fitted to, smallest first."""
    return [
        Projection(variant, preset, model.estimate(preset))
        for variant, model in models.items()
        for preset in LADDER
        if preset not in model.measured
    ]
