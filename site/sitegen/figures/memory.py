"""Peak memory over model size, beside the bytes that no engine can do without.

Training keeps four float32 numbers for every parameter (the weight, its gradient, AdamW's two moments): 16 bytes.
What an engine uses beyond that is activations, buffers and the interpreter itself.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.records.rows import Kind
from sitegen.figures.base import (
    HEIGHT,
    Column,
    Drawing,
    Figure,
    describe_ends,
    log_axis,
    log_domain,
    log_ticks,
    machine_dash,
    parameter_axis,
    text,
    tooltip,
)
from sitegen.figures.menus import show_menu
from sitegen.rows.cells import CELL_TEXT, cell_frame
from sitegen.rows.results import Results
from sitegen.rows.series import tier_of
from sitegen.text import quantities
from sitegen.text.palette import Theme

BYTES_PER_PARAMETER = 16

_KINDS: tuple[Kind, ...] = ("bench", "peer")  # the products alone hold no model
_FIELDS = (
    "state", "variant", "tier", "preset", "n_parameters", "peak_bytes", "megabytes", "memory_text", *CELL_TEXT,
)  # fmt: skip


def memory_rows(results: Results) -> pd.DataFrame:
    """One row per measured cell with a known peak, then the formula's value at each of their presets."""
    cells = cell_frame(results, _KINDS)
    cells = cells[(cells["state"] == "measured") & cells["peak_bytes"].notna()].copy()
    if cells.empty:
        return pd.DataFrame(columns=[*_FIELDS])
    floor = cells.drop_duplicates("preset")[["preset", "n_parameters"]].assign(
        state="formula", variant=f"{BYTES_PER_PARAMETER} bytes a parameter", machine=""
    )
    floor["peak_bytes"] = floor["n_parameters"] * BYTES_PER_PARAMETER
    cells["tier"] = [tier_of(str(variant)) for variant in cells["variant"]]
    rows = pd.concat([cells, floor.assign(tier=0)], ignore_index=True)
    rows["megabytes"] = rows["peak_bytes"] / 1e6
    rows["memory_text"] = [quantities.megabytes(value) for value in rows["peak_bytes"]]
    return rows[[*_FIELDS]]


def memory_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of megabytes over parameters, log-log, with the formula dashed."""
    cells = rows[rows["state"] == "measured"]
    show = show_menu(cells, theme)
    color, shape = show.color, show.shape
    x = parameter_axis(rows)
    domain = log_domain(rows["megabytes"])
    y = alt.Y(
        "megabytes:Q",
        title="peak memory, MB (log scale)",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=log_axis(log_ticks(domain)),
    )
    chart = alt.Chart(rows).transform_filter(show.condition)
    measured = chart.transform_filter("datum.state == 'measured'")
    formula = chart.transform_filter("datum.state == 'formula'")
    layers = [
        formula.mark_line(strokeDash=[3, 3], color=theme.muted).encode(x=x, y=y),
        formula.transform_filter(f"datum.n_parameters == {int(rows['n_parameters'].max())}")
        .mark_text(align="right", dx=-6, dy=-12, color=theme.muted)
        .encode(x=x, y=y, text="variant:N"),
        measured.mark_line(strokeWidth=2.2, opacity=0.9).encode(
            x=x, y=y, color=color, detail=["machine:N"], **machine_dash(cells)
        ),
        measured.mark_point(filled=True, size=95, opacity=1).encode(
            x=x,
            y=y,
            color=color,
            shape=shape,
            tooltip=tooltip(
                ("variant:N", "engine"),
                ("preset:N", "preset"),
                ("memory_text:N", "peak memory"),
                ("evidence:N", "evidence"),
                ("code:N", "code"),
                ("machine:N", "machine"),
                ("protocol:N", "protocol"),
                ("command:N", "to repeat it"),
            ),
        ),
    ]
    return alt.layer(*layers).add_params(show.parameter).properties(width="container", height=HEIGHT)


def describe_memory(rows: pd.DataFrame) -> str:
    """The peak at the ends of each engine's range."""
    ends = describe_ends(rows[rows["state"] == "measured"], "memory_text")
    return f"Peak memory of the training process, by model size. {ends}"


MEMORY = Figure(
    name="memory",
    title="Peak memory",
    summary="The most memory the training process held (its own high-water mark). The dashed line is a formula: four "
    "float32 numbers for each parameter (weight, gradient, two AdamW moments).",
    rows=memory_rows,
    chart=memory_chart,
    describe=describe_memory,
    columns=(
        Column("variant", "engine", text),
        Column("preset", "preset", text),
        Column("peak_bytes", "peak memory", quantities.megabytes),
        Column("evidence", "evidence", text),
        Column("machine", "machine", text),
    ),
    needs="one measured cell with its peak memory",
    command="invoke bench --suite quick",
)
