"""Tables of the cost model: its errors, the terms of a step, and the predicted results of 15 minutes of training."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from bench.planning.budget import plan_budget
from bench.planning.by_the_clock import RECIPE
from bench.planning.final_losses import ends_of_runs, left_out_outlooks
from bench.planning.forecast import (
    Forecast,
    Miss,
    differences_of_texts,
    left_out_spreads,
    misses_on_record,
    trained_runs,
)
from bench.training.advice import grade_text, loss_text
from sitegen.rows.cells import cell_frame, of_scope, primary_cells
from sitegen.rows.projections import cost_models
from sitegen.rows.results import Results
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.errors import ResultsError
from tinygpt.system.memory import Memory
from tinygpt.terminal import quantities
from tinygpt.terminal.quantities import DASH, short_count
from tinygpt.terminal.visible import one_line

BUDGET_MINUTES = 15.0
BUDGET_ENGINE = "vectorized"
BUDGET_CORPUS = "shakespeare"

_SOURCES: MappingProxyType[str, Callable[[Miss], bool]] = MappingProxyType(
    {
        "its own first part, or a shorter run": lambda miss: not miss.doublings,
        "another preset, within its tokens": lambda miss: miss.doublings > 0 and not miss.distance,
        "another preset, up to four times its tokens": lambda miss: miss.doublings > 0 and miss.distance > 0,
    }
)

_NO_MODEL = nothing_yet("The cost model needs one engine measured at two presets, and there is none", "invoke bench")


def cost_model_table(results: Results) -> str:
    """Every measured preset, and the prediction of a cost model fitted to the others."""
    rows: list[dict[str, TableCell | str]] = [
        {
            "engine": name,
            "preset left out": fold.preset,
            "measured": number_cell(fold.measured_seconds, quantities.duration),
            "predicted from the others": number_cell(fold.predicted_seconds, quantities.duration),
            "error": number_cell(fold.relative_error, quantities.signed_percent),
        }
        for name, model in cost_models(cell_frame(results)).items()
        for fold in model.left_out
    ]
    return html_table("Cross-validation of the cost model", rows) if rows else _NO_MODEL


def cost_terms_table(results: Results) -> str:
    """For each engine and measured preset, the three terms of the cost model as shares of its step."""
    rows: list[dict[str, TableCell | str]] = []
    for name, model in cost_models(cell_frame(results)).items():
        for preset, seconds in model.measured.items():
            terms = model.terms(preset)
            total = sum(terms.values())
            shares = (number_cell(part / total, quantities.percent) for part in terms.values())
            columns = zip(("calls", "products", "memory traffic"), shares, strict=True)
            measured = number_cell(seconds, quantities.duration)
            rows.append({"engine": name, "preset": preset, "measured step": measured, **dict(columns)})
    return html_table("Cost model: terms of a step", rows) if rows else _NO_MODEL


def budget_table(results: Results) -> str:
    """The training that a quarter of an hour allows on the machine that prose quotes."""
    runs = results.runs
    quoted = of_scope(runs, primary_cells(cell_frame(results)))
    runs = runs[(runs["kind"] == "train") | runs.index.isin(quoted.index)]
    try:
        # The memory of a reader's machine is not known here; `invoke doctor` says there what fits.
        budget = plan_budget(
            runs, results.steps, BUDGET_MINUTES, _machine(runs), Memory(0, ""), BUDGET_ENGINE, BUDGET_CORPUS
        )
    except ResultsError:
        return nothing_yet(f"No benchmark of {BUDGET_ENGINE} is recorded", "invoke bench --suite quick")
    return html_table(
        f"What {BUDGET_MINUTES:g} minutes of {BUDGET_ENGINE} give",
        [
            {
                "preset": row.preset,
                "a step": TableCell(
                    ("~" if row.projected else "") + quantities.duration(row.step.seconds), sort=row.step.seconds
                ),
                "steps": number_cell(row.steps, quantities.whole),
                "tokens": number_cell(row.tokens, short_count),
                "expected held-out loss": TableCell(loss_text(row), sort=getattr(row.loss, "loss", None)),
                "looks like": grade_text(budget.corpus, row),
                "from": one_line(f"run of {row.loss.source}" if isinstance(row.loss, Forecast) else row.loss.reason),
            }
            for row in budget.rows
        ],
    )


def forecasts_table(results: Results) -> str:
    """Recorded runs, predicted without themselves: the errors, the spreads, and the share of errors inside them."""
    runs, steps = results.runs, results.steps
    stated = left_out_spreads(misses_on_record(trained_runs(runs, steps)))
    if not stated:
        return nothing_yet("No training runs that predict each other are recorded", "invoke train --record")
    predicted = {  # by source: run, error and stated spread of each prediction
        name: [(miss.target, miss.error, spread) for miss, spread in stated if is_of(miss)]
        for name, is_of in _SOURCES.items()
    }
    advised = runs.assign(error=(runs["expected_loss"] - runs["held_out_loss"]).abs()).dropna(subset="error")
    advice = [*zip(advised["run_id"], advised["error"], advised["expected_spread"].astype(float), strict=True)]
    predicted["advice before the run"] = [one for one in advice if not math.isnan(one[2])]
    predicted["advice before the run, without a spread"] = [one for one in advice if math.isnan(one[2])]
    clocked = ends_of_runs(runs, steps, RECIPE)
    for share, words in ((0.2, "a fifth"), (0.5, "half")):
        predicted[f"a run by recipe {RECIPE}, after {words} of it"] = left_out_outlooks(clocked, share)
    texts = differences_of_texts(trained_runs(runs, steps, falling=True))
    predicted["another text: no forecast"] = [(run, error, math.nan) for run, error in texts]
    return html_table(
        "Recorded runs, each predicted by rates fitted without it",
        [_predictions(name, found) for name, found in predicted.items() if found],
    )


def _predictions(source: str, found: Sequence[tuple[str, float, float]]) -> dict[str, TableCell | str]:
    runs, errors, spreads = zip(*found, strict=True)
    without = math.isnan(spreads[0])
    inside = float(np.mean(np.array(errors) <= spreads))
    return {
        "predicted from": source,
        "runs": number_cell(len({*runs}), quantities.whole),
        "predictions": number_cell(len(errors), quantities.whole),
        "median error": number_cell(float(np.median(errors)), quantities.loss),
        "median spread": DASH if without else number_cell(float(np.median(spreads)), quantities.loss),
        "inside": DASH if without else number_cell(inside, quantities.percent),
    }


def _machine(runs: pd.DataFrame) -> str:
    bench = runs.loc[runs["kind"] == "bench", "machine"]
    return str(bench.iloc[-1]) if len(bench) else json.dumps({})
