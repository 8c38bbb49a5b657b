"""The status matrix: every preset with every engine, measured, failed or not measured, and the age of each state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.records.grouping import grouped
from sitegen.rows.accelerators import COMMAND, accelerator_cells
from sitegen.rows.cells import cell_frame
from sitegen.rows.results import Results, row_dicts
from sitegen.tables.facets import by_machine, facets
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import TableCell, code_cell, html_table, nothing_yet
from sitegen.text.palette import order_variants
from tinygpt.engines import CPU_ENGINES
from tinygpt.presets import LADDER
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

# Sort keys in seconds: after every measured step come the failures, then the cells that nothing is known of.
_AFTER_TIMES, _LAST = 1e11, 1e12


def status_table(results: Results) -> str:
    """A matrix for each machine that measured something, followed by the failures."""
    cells, command = cell_frame(results), "invoke bench --suite full"
    if cells.empty:
        nothing = nothing_yet("Nothing is measured", "invoke bench --suite quick")
        return _matrix("no machine yet", cells, CPU_ENGINES, command) + nothing
    return _matrices(results, cells, CPU_ENGINES, command)


def accelerator_status(results: Results) -> str:
    """The same for rows of accelerators, peers included."""
    cells = accelerator_cells(results)
    if cells.empty:
        return nothing_yet("No accelerator is measured", COMMAND)
    return _matrices(results, cells, (), "invoke accelerator --out rows")


def _matrices(results: Results, cells: pd.DataFrame, expected: Sequence[str], command: str) -> str:
    return facets(
        (machine, _matrix(machine, group, expected, command) + _failures(machine, group))
        for machine, group in by_machine(cells, results)
    )


def _matrix(machine: str, cells: pd.DataFrame, expected: Sequence[str], command: str) -> str:
    """A row for each preset, a column for each variant; the expected variants have one even without measurements."""
    variants = order_variants([*expected, *cells["variant"]])
    found = grouped(row_dicts(cells), lambda cell: (cell["preset"], cell["variant"]))
    return html_table(
        f"State of every preset and engine on {machine}",
        [
            {"preset": code_cell(name, sort=preset.model.n_parameters)}
            | {
                variant: _state(found.get((name, variant), []), f"{command} --presets {name} --engines {variant}")
                for variant in variants
            }
            for name, preset in LADDER.items()
        ],
    )


def _state(known: list[dict[str, Any]], command: str) -> TableCell:
    """The state of one cell: the measured time and the failures, or the command that measures it."""
    if not known:
        return TableCell(
            "", sort=_LAST, html=f'<span class="tg-absent" title="{html_attribute(command)}">not measured</span>'
        )
    parts = []
    sort = _AFTER_TIMES
    for cell in sorted(known, key=lambda cell: str(cell["state"]), reverse=True):
        when = cell["measured_at"]
        day = quantities.day(when)
        age = f'<span class="tg-age"><time datetime="{day}">{day}</time>, {quantities.age(when)}</span>'
        if cell["state"] == "measured":
            sort = float(cell["seconds"])
            doubt = "" if cell["verdict"] == "stable" else f" <small>{html_block(cell['verdict'])}</small>"
            parts.append(f"<strong>{html_block(quantities.duration(sort))}</strong>{doubt}{age}")
        else:
            parts.append(_failed_html(cell, html_attribute(one_line(cell["reason"]))) + age)
    return TableCell("", sort=sort, html="".join(parts))


def _failed_html(cell: dict[str, Any], title: str = "") -> str:
    attribute = f' title="{title}"' if title else ""
    return f'<span class="tg-state tg-state--bad"{attribute}>{html_block(cell["status"])}</span>'


def _failures(machine: str, cells: pd.DataFrame) -> str:
    failed = cells[cells["state"] == "failed"]
    if failed.empty:
        return "<p>No cell on record failed.</p>"
    table = html_table(
        f"Cells that failed on {machine}",
        [
            {
                "engine": cell["variant"],
                "preset": cell["preset"],
                "failed": TableCell("", html=_failed_html(cell)),
                "reason": cell["reason"],
                "measured": TableCell(quantities.day(cell["measured_at"]), sort=quantities.day(cell["measured_at"])),
                "to repeat it": code_cell(cell["command"]),
            }
            for cell in row_dicts(failed)
        ],
    )
    return f'<p class="tg-machine">Cells that failed</p>{table}'
