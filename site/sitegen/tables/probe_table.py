"""Ratios as measured and adjusted by the probe, run by run."""

from __future__ import annotations

from bench.statistics.probe_adjustment import adjusted_ratios
from bench.statistics.ratios import Ratio
from sitegen.rows.machines import machine_label
from sitegen.rows.ratios import interval_text
from sitegen.rows.results import Results
from sitegen.text.markup import TableCell, code_cell, html_table, nothing_yet, number_cell
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line


def probe_table(results: Results) -> str:
    """Every cell's time over ours in its run, and how busy the machine was."""
    ratios = adjusted_ratios(results.runs, results.steps, results.probes)
    if not ratios:
        return nothing_yet("No run on record has the probe", "invoke bench --suite standard")
    return html_table(
        "Ratios adjusted by the probe",
        [
            {
                "preset": TableCell(row.cell.preset, sort=row.cell.n_parameters),
                "engine": row.cell.variant,
                "measured": _text(row.ratio),
                "adjusted": _text(row.adjusted),
                "slowest probe": number_cell(max(row.probes), quantities.ratio),
                "rounds marked": TableCell(f"{row.n_disturbed} of {row.ratio.n_rounds}", sort=row.n_disturbed),
                "rounds replaced": number_cell(row.n_replaced, quantities.whole),
                "page faults a step": number_cell(row.page_faults, quantities.whole),
                "run": code_cell(one_line(row.cell.run_id), sort=row.cell.run_id),
                "machine": machine_label(row.cell),
            }
            for row in ratios
        ],
    )


def _text(ratio: Ratio) -> TableCell:
    return TableCell(f"{quantities.ratio(ratio.speedup)}, {interval_text(ratio)}", sort=ratio.speedup)
