"""From results to cost models, one for each engine on each machine, and the presets they project.

Rows of two machines never meet in one fit, nor do published and local ones: a model's scope is (origin, machine).
Only the project's own engines are projected, in their plain form: how others go about a step is not
known here, and a variant is measured where it matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bench.statistics.chosen_runs import newest_cells
from bench.statistics.cost_model import CostModel, Estimate, fit_cost_model
from bench.statistics.summary import cell_summary
from tinygpt.engines import CPU_ENGINES
from tinygpt.presets import PRESETS

Scope = tuple[str, str]  # origin, machine_hash


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


def measured_seconds(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The cells that speak for each engine and preset of a machine, where they were measured.

    Returns:
        a frame with ``origin``, ``machine_hash``, ``variant``, ``preset`` and ``seconds`` among its columns.
    """
    chosen = newest_cells(cell_summary(runs, steps))
    return chosen[chosen["n_rounds"] > 0].rename(columns={"median_step_seconds": "seconds"})


def fit_models(measured: pd.DataFrame) -> dict[Scope, dict[str, CostModel]]:
    """Fit every engine of every scope that enough presets were measured in.

    Args:
        measured: columns ``origin``, ``machine_hash``, ``variant``, ``preset`` and ``seconds``, one row per cell.

    Returns:
        (origin, machine_hash) → engine → its model.
    """
    models: dict[Scope, dict[str, CostModel]] = {}
    own = measured[measured["variant"].isin([*CPU_ENGINES])]
    for (origin, machine, variant), group in own.groupby(["origin", "machine_hash", "variant"], sort=False):
        model = fit_cost_model(str(variant), seconds_by_preset(group))
        if model is not None:
            models.setdefault((str(origin), str(machine)), {})[str(variant)] = model
    return models


def seconds_by_preset(group: pd.DataFrame) -> dict[str, float]:
    """Preset → seconds, of presets that still exist."""
    pairs = zip(group["preset"], group["seconds"], strict=True)
    return {str(preset): float(seconds) for preset, seconds in pairs if preset in PRESETS and seconds > 0}


def project(models: Mapping[str, CostModel]) -> list[Projection]:
    """Every preset that a scope's models were not fitted to, smallest first."""
    return [
        Projection(variant, preset, model.estimate(preset))
        for variant, model in models.items()
        for preset in PRESETS
        if preset not in model.measured
    ]
