"""Tables of the cost model: how far off it is, and what a quarter of an hour would give by it."""

from __future__ import annotations

import json

import pandas as pd

from bench.planning.budget import plan_budget
from bench.training.advice import loss_text
from sitegen.rows.cells import cell_frame, of_scope, primary_cells
from sitegen.rows.projections import cost_models
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.markup import TableCell, html_table, nothing_yet
from tinygpt.errors import ResultsError
from tinygpt.system.memory import Memory
from tinygpt.terminal.quantities import short_count

BUDGET_MINUTES = 15.0
BUDGET_ENGINE = "vectorized"
BUDGET_CORPUS = "shakespeare"


def cost_model_table(results: Results) -> str:
    """Every measured preset beside what the cost model predicts for it from the others."""
    models = cost_models(cell_frame(results))
    if not models:
        return nothing_yet("The cost model needs one engine measured at two presets, and there is none", "invoke bench")
    rows: list[list[TableCell | str]] = [
        [
            name,
            left.preset,
            TableCell(quantities.duration(left.measured_seconds), sort=left.measured_seconds),
            TableCell(quantities.duration(left.predicted_seconds), sort=left.predicted_seconds),
            TableCell(quantities.signed_percent(left.relative_error), sort=left.relative_error),
        ]
        for name, model in models.items()
        for left in model.left_out
    ]
    headings = ["engine", "preset left out", "measured", "predicted from the others", "error"]
    return html_table("Cross-validation of the cost model", headings, rows)


def budget_table(results: Results) -> str:
    """What a quarter of an hour gives on the machine that prose quotes."""
    cells = primary_cells(cell_frame(results))
    scope = _in_scope(results.runs, cells)
    try:
        # A reader's memory is not known here: what fits is a question for `invoke doctor` on their machine.
        budget = plan_budget(
            scope, results.steps, BUDGET_MINUTES, _machine(scope), Memory(0, ""), BUDGET_ENGINE, BUDGET_CORPUS
        )
    except ResultsError:
        return nothing_yet(f"No benchmark of {BUDGET_ENGINE} is recorded", "invoke bench --suite quick")
    rows: list[list[TableCell | str]] = [
        [
            row.preset,
            TableCell(("~" if row.projected else "") + quantities.duration(row.step.seconds), sort=row.step.seconds),
            TableCell(quantities.whole(row.steps), sort=row.steps),
            TableCell(short_count(row.tokens), sort=row.tokens),
            TableCell(loss_text(row), sort=row.loss.loss if row.loss else None),
            one_line("" if row.loss is None else f"run of {row.curve_of}"),
        ]
        for row in budget.rows
    ]
    headings = ["preset", "a step", "steps", "tokens", "expected held-out loss", "by the curve of"]
    return html_table(f"What {BUDGET_MINUTES:g} minutes of {BUDGET_ENGINE} give", headings, rows)


def _in_scope(runs: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Training runs, and the benchmark rows of the quoted machine and origin."""
    return runs[(runs["kind"] == "train") | runs.index.isin(of_scope(runs, cells).index)]


def _machine(runs: pd.DataFrame) -> str:
    bench = runs.loc[runs["kind"] == "bench", "machine"]
    return str(bench.iloc[-1]) if len(bench) else json.dumps({})
