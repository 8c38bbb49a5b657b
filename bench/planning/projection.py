"""From results to cost models, one for each engine on each machine, and the presets they project.

Rows of two machines never meet in one fit, nor do published and local ones: a model's scope is (origin, machine).
Only the project's own engines are projected, in their plain form: how others go about a step is not
known here, and a variant is measured where it matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from bench.records.grouping import grouped
from bench.records.rows import Scope
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import chosen_cells
from bench.statistics.cost_model import CostModel, Estimate, fit_cost_model
from tinygpt.engines import CPU_ENGINES
from tinygpt.presets import PRESETS


class StepTime(NamedTuple):
    """Median seconds of a variant's step at a preset, in a scope."""

    scope: Scope
    variant: str
    preset: str
    seconds: float


@dataclass(frozen=True)
class Projection:
    """A step that was not measured.

    Attributes:
        variant: engine.
        preset: where it was not measured.
        estimate: seconds of a step, with its band.
    """

    variant: str
    preset: str
    estimate: Estimate


def measured_cells(runs: pd.DataFrame, steps: pd.DataFrame) -> list[CellSummary]:
    """The cells that are quoted for each engine and preset of a machine, where they were measured."""
    return [cell for cell in chosen_cells(cell_summary(runs, steps)) if cell.n_rounds]


def fit_models(times: Iterable[StepTime]) -> dict[Scope, dict[str, CostModel]]:
    """Fit every engine of every scope that enough presets were measured in.

    Args:
        times: one of each scope, variant and preset; presets that no longer exist are left out.

    Returns:
        scope → engine → its model.
    """
    models: dict[Scope, dict[str, CostModel]] = {}
    own = (time for time in times if time.variant in CPU_ENGINES and time.preset in PRESETS and time.seconds > 0)
    for (scope, variant), group in grouped(own, lambda time: (time.scope, time.variant)).items():
        model = fit_cost_model(variant, {time.preset: time.seconds for time in group})
        if model is not None:
            models.setdefault(scope, {})[variant] = model
    return models


def project(models: Mapping[str, CostModel]) -> list[Projection]:
    """Every preset that a scope's models were not fitted to, smallest first."""
    return [
        Projection(variant, preset, model.estimate(preset))
        for variant, model in models.items()
        for preset in PRESETS
        if preset not in model.measured
    ]
