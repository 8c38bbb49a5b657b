"""Tables of the speedup page: every ratio, what failed and why, and what the cost model says a step consists of."""

from __future__ import annotations

from sitegen.figures.curve_rows import SPEEDUP_MEASURE, curve_rows
from sitegen.rows.cells import cell_frame
from sitegen.rows.projections import cost_models
from sitegen.rows.results import TRAINING_KINDS, Results, records
from sitegen.rows.series import label_of, order_series
from sitegen.text import quantities
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, html_table, nothing_yet, status_cell


def ratio_table(results: Results) -> str:
    """Every measured ratio: a line for each baseline and preset, a column for each engine and peer."""
    rows = curve_rows(results)
    rows = rows[(rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured")]
    if rows.empty:
        return nothing_yet("No speedup can be formed", "invoke bench --suite quick")
    names = order_series(rows["variant"])
    lines: list[list[TableCell | str]] = []
    for (machine, baseline, preset), group in rows.groupby(["machine", "baseline", "preset"], sort=False):
        found = {str(row["variant"]): row for row in records(group)}
        size = int(group.iloc[0]["n_parameters"])
        lines.append(
            [
                label_of(str(baseline)),
                TableCell(str(preset), sort=size),
                *(_ratio_cell(found.get(name), is_own=name == baseline) for name in names),
                str(machine),
            ]
        )
    headings = ["times as fast as", "preset", *map(label_of, names), "machine"]
    return html_table("Ratios of step times, for every baseline", headings, lines)


def _ratio_cell(row: dict[str, object] | None, is_own: bool) -> TableCell:
    """A ratio with its interval and, where it says less than it seems, the verdict."""
    if row is None:
        return TableCell("1×", sort=1.0) if is_own else TableCell("–")
    doubt = "" if row["verdict"] == "stable" else f", {row['verdict']}"
    html = f"{html_block(str(row['value_text']))} <small>{html_block(str(row['interval']) + doubt)}</small>"
    return TableCell(str(row["value_text"]), sort=float(str(row["value"])), html=html)


def failures_table(results: Results) -> str:
    """Every cell that failed and was not measured since, with the reason."""
    cells = cell_frame(results, TRAINING_KINDS)
    failed = cells[cells["state"] == "failed"]
    if cells.empty:
        return nothing_yet("Nothing was measured", "invoke bench --suite quick")
    if failed.empty:
        return '<p class="tg-empty">No cell failed.</p>'
    lines: list[list[TableCell | str]] = [
        [
            label_of(str(row["variant"])),
            TableCell(str(row["preset"]), sort=int(row["n_parameters"])),
            status_cell(str(row["status"])),
            str(row["reason"]),
            str(row["code"]),
            str(row["machine"]),
            TableCell("", html=f"<code>{html_block(str(row['command']))}</code>"),
        ]
        for row in records(failed)
    ]
    headings = ["engine", "preset", "status", "reason", "code", "machine", "to repeat it"]
    return html_table("Cells that failed", headings, lines)


def cost_terms_table(results: Results) -> str:
    """For each engine and measured preset, the three terms of the cost model as shares of its step."""
    models = cost_models(cell_frame(results))
    if not models:
        return nothing_yet("The cost model needs one engine measured at two presets, and there is none", "invoke bench")
    lines: list[list[TableCell | str]] = []
    for name, model in models.items():
        for preset, seconds in model.measured.items():
            terms = model.terms(preset)
            whole = sum(terms.values())
            lines.append(
                [
                    name,
                    preset,
                    TableCell(quantities.duration(seconds), sort=seconds),
                    *(TableCell(quantities.percent(part / whole), sort=part / whole) for part in terms.values()),
                ]
            )
    headings = ["engine", "preset", "measured step", "calls", "products", "memory traffic"]
    return html_table("What a step consists of, by the cost model", headings, lines)
