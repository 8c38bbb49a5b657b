"""The table of one token's products: for each machine, ways to store and multiply the weights by presets."""

from __future__ import annotations

from collections.abc import Sequence

from bench.arms.token_ways import TOKEN
from bench.records.grouping import grouped
from bench.statistics.token_times import TokenTime, token_times
from sitegen.rows.cells import evidence_text, failure_reason
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.tables.facets import facets
from sitegen.tables.ratio_cells import ratio_cell
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import TableCell, doubted_cell, grid_table, nothing_yet, status_cell
from tinygpt.terminal import quantities


def token_table(results: Results) -> str:
    """The time of a token's products in every way, and how many times as fast as float32 it is."""
    times = token_times(results.runs, results.steps)
    if not times:
        return nothing_yet("The products of a token are not measured", f"invoke bench --suite {TOKEN}")
    return facets((name, _machine(group)) for name, group in grouped(times, lambda t: machine_label(t.cell)).items())


def _machine(times: Sequence[TokenTime]) -> str:
    ways = grouped(times, lambda time: time.way.label)
    presets = grouped(times, lambda time: time.cell.preset)
    cells = {(time.way.label, time.cell.preset): _cell(time) for time in times}
    return grid_table(
        "The products of one token",
        ["weights and products", *(_heading(preset, group[0]) for preset, group in presets.items())],
        [[way, *(cells.get((way, preset), TableCell("–")) for preset in presets)] for way in ways],
    )


def _heading(preset: str, time: TokenTime) -> TableCell:
    day = quantities.day(time.cell.started_at)
    return TableCell("", html=f'{html_block(preset)} <small><time datetime="{day}">{day}</time></small>')


def _cell(time: TokenTime) -> TableCell:
    cell = time.cell
    if not cell.n_rounds:
        reason = html_attribute(failure_reason(cell))
        return TableCell("", html=f'<span title="{reason}">{status_cell(cell.status).html}</span>')
    text = quantities.milliseconds(cell.seconds.median)
    if time.ratio is None:
        rounds = quantities.counted(cell.n_rounds, "round")
        return doubted_cell("1×", 1.0, f"{text}, {rounds}", evidence_text(cell))
    return ratio_cell(time.ratio, note=f", {text}")
