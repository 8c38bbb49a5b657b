"""The statistics tested on the rows: the components of the noise, and which promises were kept."""

from __future__ import annotations

from bench.statistics.calibration import COMMAND, facts
from bench.statistics.simulation import Check
from sitegen.rows.results import Results
from sitegen.text.markup import TableCell, html_table, nothing_yet, number_cell, status_cell
from tinygpt.terminal import quantities


def noise_table(results: Results) -> str:
    """The components of the noise of the rows."""
    rows = [
        {"noise": name, "value": value, "rows": found.origin}
        for found in results.calibrations
        for name, value in facts(found)
    ]
    return html_table("Noise of the rows", rows) if rows else nothing_yet("The noise is not described", COMMAND)


def calibration_table(results: Results) -> str:
    """Coverage, false alarms and power of every estimator."""
    rows = [_row(check, found.origin) for found in results.calibrations for check in found.checks]
    return html_table("Promises of the statistics", rows) if rows else nothing_yet("Nothing is simulated", COMMAND)


def _row(check: Check, origin: str) -> dict[str, TableCell | str]:
    bound = "at most" if check.aim == "false alarms" else "at least"
    return {
        "what": check.aim,
        "estimator": check.subject,
        "case": check.condition,
        "promised": TableCell(f"{bound} {quantities.percent(check.promised)}", sort=check.promised),
        "found": number_cell(check.found, lambda share: quantities.percent(share, 1)),
        "tolerated": TableCell(f"± {quantities.percent(check.tolerance, 1)}", sort=check.tolerance),
        "cases": number_cell(check.n, quantities.whole),
        "holds": status_cell("ok") if check.holds else status_cell("missed"),
        "rows": origin,
    }
