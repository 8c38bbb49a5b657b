"""Tables of the speedup page: every ratio, and the cells that failed."""

from __future__ import annotations

import pandas as pd

from bench.arms.registry import OURS, REFERENCE
from sitegen.rows.cells import cell_frame
from sitegen.rows.curves import SPEEDUP_MEASURE, curve_rows
from sitegen.rows.results import TRAINING_KINDS, Results, row_dicts
from sitegen.rows.series import label_of, order_series
from sitegen.tables.facets import by_machine, facets
from sitegen.text.markup import TableCell, code_cell, doubted_cell, grid_table, html_table, nothing_yet, status_cell


def ratio_table(results: Results) -> str:
    """Every measured ratio, machine by machine: a row for each baseline and preset, a column for each variant."""
    rows = curve_rows(results)
    rows = rows[(rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured")]
    if rows.empty:
        return nothing_yet("No speedup can be formed", "invoke bench --suite quick")
    return facets((machine, _ratios_of(machine, group)) for machine, group in by_machine(rows, results))


def _ratios_of(machine: str, rows: pd.DataFrame) -> str:
    names = sorted(order_series(rows["variant"]), key=lambda name: (name == "python", name != OURS))
    ranks = {name: rank for rank, name in enumerate(sorted(names, key=lambda name: name != REFERENCE))}
    lines: list[list[TableCell | str]] = []
    rows = rows.sort_values(["baseline", "n_parameters"], key=lambda of: of.replace(ranks), kind="stable")
    for (baseline, preset), group in rows.groupby(["baseline", "preset"], sort=False):
        found = {str(row["variant"]): row for row in row_dicts(group)}
        ratios = (_ratio_cell(found.get(name), is_own=name == baseline) for name in names)
        size = int(group.iloc[0]["n_parameters"])
        lines.append([label_of(str(baseline)), TableCell(str(preset), sort=size), *ratios])
    headings = ["times as fast as", "preset", *map(label_of, names)]  # two series may share a label
    return grid_table(f"Ratios of step times, for every baseline, on {machine}", headings, lines)


def _ratio_cell(row: dict[str, object] | None, is_own: bool) -> TableCell:
    """A ratio with its interval, and with the verdict unless that is "stable"."""
    if row is None:
        return TableCell("1×", sort=1.0) if is_own else TableCell("–")
    doubt = "" if row["verdict"] == "stable" else f", {row['verdict']}"
    short = f"{row['interval'] or 'no interval'}{doubt}"
    return doubted_cell(str(row["value_text"]), float(str(row["value"])), short, str(row["evidence"]))


def failures_table(results: Results) -> str:
    """Every cell that failed and was not measured since, with the reason."""
    cells = cell_frame(results, TRAINING_KINDS)
    failed = cells[cells["state"] == "failed"]
    if cells.empty:
        return nothing_yet("Nothing was measured", "invoke bench --suite quick")
    if failed.empty:
        return '<p class="tg-empty">No cell failed.</p>'
    return html_table(
        "Cells that failed",
        [
            {
                "engine": label_of(row["variant"]),
                "preset": TableCell(row["preset"], sort=int(row["n_parameters"])),
                "status": status_cell(row["status"]),
                "reason": row["reason"],
                "code": row["code"],
                "machine": row["machine"],
                "to repeat it": code_cell(row["command"]),
            }
            for row in row_dicts(failed)
        ],
    )
