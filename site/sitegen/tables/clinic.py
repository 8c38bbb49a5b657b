"""The failure clinic in a table, and the text that each case wrote. Every text is untrusted and escaped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from bench.training.clinic_cases import CASES
from sitegen.rows.clinic import CLINIC_COMMAND, RECENT_STEPS, clinic_runs, clinic_steps
from sitegen.rows.results import Results, row_dicts
from sitegen.tables.samples import sample_html
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell
from tinygpt.terminal import quantities


def clinic_table(results: Results) -> str:
    """The cases with their losses: as the program reports them, and as a sound one computes them."""
    runs = clinic_runs(results)
    if not runs:
        return nothing_yet("No run of the clinic is recorded", CLINIC_COMMAND)
    rows: list[dict[str, TableCell | str]] = []
    for name, run in runs.items():
        steps = clinic_steps(results, run)
        held_out = steps["held_out_loss"].dropna()
        case = CASES[name].title
        rows.append(
            {
                "case": case if run.status == "ok" else f"{case}, {run.status}",
                "training": number_cell(steps["loss"].tail(RECENT_STEPS).mean(), quantities.loss),
                "held out": number_cell(held_out.iloc[-1] if len(held_out) else None, quantities.loss),
                "lowest": number_cell(held_out.min() if len(held_out) else None, quantities.loss),
            }
        )
    return html_table("The failure clinic", rows)


def clinic_text(name: str, results: Results) -> str:
    """The text that a case's newest run wrote at its end."""
    run = clinic_runs(results).get(name)
    samples = results.samples[results.samples["cell_id"] == (run.cell_id if run else "")]
    if samples.empty:
        return nothing_yet(f"The case {name} has written nothing", f"{CLINIC_COMMAND} --cases {name}")
    shown = "".join(sample_html(record) for record in row_dicts(samples))
    return f'<div class="tg-samples" data-search-exclude>{shown}</div>'


CLINIC_TABLES: MappingProxyType[str, Callable[[Results], str]] = MappingProxyType(
    {"clinic": clinic_table} | {f"clinic_text.{name}": partial(clinic_text, name) for name in CASES}
)
