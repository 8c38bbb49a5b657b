"""Tables of the cost model: its errors, the terms of a step, and a quarter of an hour of training by its estimate."""

from __future__ import annotations

import json

import pandas as pd

from bench.planning.budget import plan_budget
from bench.training.advice import loss_text
from sitegen.rows.cells import cell_frame, of_scope, primary_cells
from sitegen.rows.projections import cost_models
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.errors import ResultsError
from tinygpt.system.memory import Memory
from tinygpt.terminal.quantities import short_count
from tinygpt.terminal.visible import one_line

BUDGET_MINUTES = 15.0
BUDGET_ENGINE = "vectorized"
BUDGET_CORPUS = "shakespeare"

_NO_MODEL = nothing_yet("The cost model needs one engine measured at two presets, and there is none", "invoke bench")


def cost_model_table(results: Results) -> str:
    """Every measured preset, and the prediction of a cost model fitted to the others."""
    rows: list[dict[str, TableCell | str]] = [
        {
            "engine": name,
            "preset left out": left.preset,
            "measured": number_cell(left.measured_seconds, quantities.duration),
            "predicted from the others": number_cell(left.predicted_seconds, quantities.duration),
            "error": number_cell(left.relative_error, quantities.signed_percent),
        }
        for name, model in cost_models(cell_frame(results)).items()
        for left in model.left_out
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
    return html_table("What a step consists of, by the cost model", rows) if rows else _NO_MODEL


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
                "expected held-out loss": TableCell(loss_text(row), sort=row.loss.loss if row.loss else None),
                "by the curve of": one_line("" if row.loss is None else f"run of {row.curve_of}"),
            }
            for row in budget.rows
        ],
    )


def _machine(runs: pd.DataFrame) -> str:
    bench = runs.loc[runs["kind"] == "bench", "machine"]
    return str(bench.iloc[-1]) if len(bench) else json.dumps({})
