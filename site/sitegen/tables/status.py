"""The status matrix: every preset against every engine, measured, failed or not measured, and how old that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sitegen.rows.accelerators import COMMAND, accelerator_cells
from sitegen.rows.cells import cell_frame
from sitegen.rows.results import Results, records
from sitegen.text import quantities
from sitegen.text.escape import html_attribute, html_block, one_line
from sitegen.text.markup import TableCell, html_table, nothing_yet
from sitegen.text.palette import order_variants
from tinygpt.engines import CPU_ENGINES
from tinygpt.presets import PRESETS


def status_table(results: Results) -> str:
    """One matrix for each machine that measured something, followed by the list of failures."""
    cells = cell_frame(results)
    if cells.empty:
        return _matrix("no machine yet", cells) + nothing_yet("Nothing is measured", "invoke bench --suite quick")
    parts = []
    for machine, group in cells.groupby("machine", sort=False):
        parts.append(f'<p class="tg-machine">{html_block(str(machine))}</p>{_matrix(str(machine), group)}')
    return "".join(parts) + _failures(cells)


def accelerator_status(results: Results) -> str:
    """The same for rows that accelerators computed: a matrix for each machine, peers there included."""
    cells = accelerator_cells(results)
    if cells.empty:
        return nothing_yet("No accelerator is measured", COMMAND)
    parts = [
        f'<p class="tg-machine">{html_block(str(machine))}</p>'
        f"{_matrix(str(machine), group, (), 'invoke accelerator --out rows')}"
        for machine, group in cells.groupby("machine", sort=False)
    ]
    return "".join(parts) + _failures(cells)


def _matrix(
    machine: str,
    cells: pd.DataFrame,
    expected: Sequence[str] = CPU_ENGINES,
    command: str = "invoke bench --suite full",
) -> str:
    """Presets down, engine variants across; those that are expected have a column even where nothing was measured."""
    variants = order_variants([*expected, *cells["variant"]])
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records(cells):
        found.setdefault((record["preset"], record["variant"]), []).append(record)
    rows: list[list[TableCell | str]] = [
        [
            TableCell(name, sort=preset.model.n_parameters, html=f"<code>{name}</code>"),
            *(_state(found.get((name, variant), []), variant, name, command) for variant in variants),
        ]
        for name, preset in PRESETS.items()
    ]
    return html_table(f"State of every preset and engine on {machine}", ["preset", *variants], rows)


def _state(known: list[dict[str, Any]], variant: str, preset: str, command: str) -> TableCell:
    """What is known about one cell: the measured time, the failures beside it, or how to measure it."""
    if not known:
        hint = html_attribute(f"{command} --presets {preset} --engines {variant}")
        return TableCell("", sort=float("1e12"), html=f'<span class="tg-absent" title="{hint}">not measured</span>')
    parts = []
    sort = 1e11
    for record in sorted(known, key=lambda record: str(record["state"]), reverse=True):
        when = record["measured_at"]
        day = quantities.day(when)
        age = f'<span class="tg-age"><time datetime="{day}">{day}</time>, {quantities.age(when)}</span>'
        if record["state"] == "measured":
            sort = float(record["seconds"])
            parts.append(f"<strong>{html_block(quantities.duration(sort))}</strong>{age}")
        else:
            reason = html_attribute(one_line(str(record["reason"])))
            status = html_block(str(record["status"]))
            parts.append(f'<span class="tg-state tg-state--bad" title="{reason}">{status}</span>{age}')
    return TableCell("", sort=sort, html="".join(parts))


def _failures(cells: pd.DataFrame) -> str:
    failed = cells[cells["state"] == "failed"]
    if failed.empty:
        return "<p>No cell on record failed.</p>"
    rows: list[list[TableCell | str]] = [
        [
            str(record["variant"]),
            str(record["preset"]),
            TableCell("", html=f'<span class="tg-state tg-state--bad">{html_block(str(record["status"]))}</span>'),
            str(record["reason"]),
            TableCell(quantities.day(record["measured_at"]), sort=quantities.day(record["measured_at"])),
            TableCell("", html=f"<code>{html_block(str(record['command']))}</code>"),
        ]
        for record in records(failed)
    ]
    headings = ["engine", "preset", "failed", "reason", "measured", "to repeat it"]
    return '<p class="tg-machine">Cells that failed</p>' + html_table("Cells that failed", headings, rows)
