"""Projections of the cost model (``bench.planning``) in place of measurements, for the machine that prose quotes.

Figures draw them hollow and dashed, with a band and the model's id. They are frames of their own, so that no number,
ratio, table of engines or other aggregate contains one. A preset is projected only where another engine was measured,
because the point serves to compare the two. ``cells`` are those of :func:`sitegen.rows.cells.cell_frame`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.arms.variants import kind_of
from bench.planning.projection import Projection, StepTime, fit_models, project
from bench.statistics.cost_model import CostModel
from sitegen.rows.cells import CELL_COLUMNS, interval_columns, primary_cells
from sitegen.rows.ratios import RATIO_COLUMNS
from sitegen.rows.results import ENGINE_KINDS, row_dicts
from sitegen.text.palette import order_variants
from tinygpt.presets import LADDER
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

PROJECTED = "projected"


def cost_models(cells: pd.DataFrame) -> dict[str, CostModel]:
    """Engine → the model of its measured cells in the quoted scope; the peers in ``cells`` have none."""
    measured = _measured(cells)
    columns = measured[["origin", "machine_hash", "variant", "preset", "seconds"]].itertuples(index=False, name=None)
    times = (StepTime((origin, machine), *rest) for origin, machine, *rest in columns)
    return next(iter(fit_models(time for time in times if kind_of(time.variant) in ENGINE_KINDS).values()), {})


def _measured(cells: pd.DataFrame) -> pd.DataFrame:
    primary = primary_cells(cells)
    return primary[primary["state"] == "measured"]


def projected_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Project every engine to the presets at which only others were measured, smallest preset first.

    Returns:
        columns ``CELL_COLUMNS``, with ``state`` "projected" and the band as the interval.
    """
    measured, models = _measured(cells), cost_models(cells)
    presets = set(measured["preset"])
    rows = [
        _projected_cell(measured.iloc[0], models[found.variant], found)
        for found in project(models)
        if found.preset in presets
    ]
    return pd.DataFrame(rows, columns=[*CELL_COLUMNS])


def _projected_cell(scope: pd.Series, model: CostModel, found: Projection) -> dict[str, Any]:
    entry, estimate, preset = LADDER[found.preset], found.estimate, found.preset
    return {
        **{name: scope[name] for name in ("origin", "machine_hash", "machine")},
        "engine": model.variant,
        "variant": model.variant,
        "preset": preset,
        "n_parameters": entry.model.n_parameters,
        "state": PROJECTED,
        "status": PROJECTED,
        **interval_columns("seconds", estimate.seconds, estimate.low, estimate.high),
        "tokens_per_second": entry.tokens_per_step / estimate.seconds,
        "protocol": "none: not measured",
        "evidence": projection_evidence(model),
        "code": f"cost model {model.id}",
        "reason": "",
        "command": one_line(f"invoke bench --suite full --presets {preset} --engines {model.variant}"),
    }


def projection_evidence(model: CostModel) -> str:
    """The basis of a projection, in one line."""
    return (
        f"projected from {len(model.measured)} measured presets; leaving each of them out, at most "
        f"{quantities.percent(model.largest_error)} off"
    )


def projected_ratios(cells: pd.DataFrame) -> pd.DataFrame:
    """Form the ratios with one measured and one projected side.

    Returns:
        columns ``RATIO_COLUMNS`` and ``state`` "projected"; the interval is the projected side's band.
    """
    measured, projected = _measured(cells), projected_cells(cells)
    rows = []
    for theirs in row_dicts(projected):
        for ours in row_dicts(measured[measured["preset"] == theirs["preset"]]):
            rows += [_ratio(engine=ours, baseline=theirs), _ratio(engine=theirs, baseline=ours)]
    frame = pd.DataFrame(rows, columns=[*RATIO_COLUMNS, "state"])
    ranks = {name: rank for rank, name in enumerate(order_variants([*frame["variant"], *frame["baseline"]]))}
    order = frame.assign(one=frame["baseline"].map(ranks), two=frame["variant"].map(ranks))
    kept = order.sort_values(["one", "two", "n_parameters"], kind="stable").index
    return frame.loc[kept].reset_index(drop=True)


def _ratio(engine: dict[str, Any], baseline: dict[str, Any]) -> dict[str, Any]:
    projected = engine if engine["state"] == PROJECTED else baseline
    speedup = baseline["seconds"] / engine["seconds"]
    # A band is symmetric in the logarithm, so its factor is the same for both sides of the ratio.
    factor = projected["seconds_high"] / projected["seconds"]
    text = {name: projected[name] for name in ("protocol", "evidence", "code", "status", "reason", "command")}
    return {
        **{name: engine[name] for name in ("origin", "machine_hash", "variant", "preset", "n_parameters", "machine")},
        **text,
        "state": PROJECTED,
        "baseline": baseline["variant"],
        **interval_columns("speedup", speedup, speedup / factor, speedup * factor),
        "seconds": engine["seconds"],
        "baseline_seconds": baseline["seconds"],
        "evidence": f"{projected['variant']} {projected['evidence']}",
    }


def mark_bridges(rows: pd.DataFrame, series: list[str]) -> pd.Series:
    """Mark the rows that a dashed line connects: the projected ones, and the measured ones next to them.

    Args:
        rows: columns ``state``, ``n_parameters`` and those of ``series``; failed rows belong to no line.
        series: columns that identify a line.
    """
    marks = pd.Series(False, index=rows.index)
    drawn = rows[rows["state"] != "failed"]
    if not (drawn["state"] == PROJECTED).any():
        return marks
    for _, line in drawn.groupby(series, sort=False):
        ordered = line.sort_values("n_parameters")
        projected = ordered["state"] == PROJECTED
        neighbours = projected.shift(1, fill_value=False) | projected.shift(-1, fill_value=False)
        marks[ordered.index] = projected | neighbours
    return marks
