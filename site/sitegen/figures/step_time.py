"""Time of one training step over model size: what the ratios of the speedup figure are made of."""

from __future__ import annotations

import altair as alt
import pandas as pd

from sitegen import quantities
from sitegen.figures.base import (
    HEIGHT,
    Column,
    Drawing,
    Figure,
    describe_ends,
    describe_failures,
    describe_projections,
    failure_layer,
    log_axis,
    log_domain,
    log_ticks,
    machine_dash,
    parameter_axis,
    projection_layers,
    stack_failures,
    text,
    tooltip,
    variant_encodings,
)
from sitegen.frames import CELL_TEXT, Results, cell_frame
from sitegen.palette import Theme, order_variants
from sitegen.projections import mark_bridges, projected_cells

_FIELDS = (
    "state", "variant", "preset", "n_parameters", "seconds", "seconds_low", "seconds_high", "milliseconds",
    "milliseconds_low", "milliseconds_high", "time_text", "interval", "tokens_text", "slot", "bridge", *CELL_TEXT,
)  # fmt: skip


def step_time_rows(results: Results) -> pd.DataFrame:
    """One row per measured or failed cell, and one per projected one."""
    cells = cell_frame(results)
    projected = projected_cells(cells)
    rows = pd.concat([cells, projected], ignore_index=True) if not projected.empty else cells
    rows["bridge"] = mark_bridges(rows, ["origin", "machine_hash", "variant"])
    rows["slot"] = stack_failures(rows)
    for name in ("seconds", "seconds_low", "seconds_high"):
        rows[name.replace("seconds", "milliseconds")] = rows[name] * 1e3
    rows["time_text"] = [quantities.duration(value) if value == value else "" for value in rows["seconds"]]
    rows["interval"] = [
        f"{quantities.duration(low)} to {quantities.duration(high)}" if low == low and high == high else ""
        for low, high in zip(rows["seconds_low"], rows["seconds_high"], strict=True)
    ]
    rows["tokens_text"] = [quantities.whole(value) if value == value else "" for value in rows["tokens_per_second"]]
    return rows[[*_FIELDS]]


def step_time_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of milliseconds over parameters, log-log, with intervals, and failures at the bottom."""
    color, shape = variant_encodings(order_variants(rows["variant"].tolist()), theme)
    x = parameter_axis(rows)
    chart = alt.Chart(rows)
    failures = failure_layer(chart, rows, color, x)
    if not (rows["state"] == "measured").any():
        return alt.layer(*failures).properties(width="container", height=HEIGHT)
    bands = rows.loc[rows["state"] == "projected", ["milliseconds_low", "milliseconds_high"]]
    domain = log_domain(pd.concat([rows["milliseconds"], *(bands[name] for name in bands)]), failures=bool(failures))
    y = alt.Y(
        "milliseconds:Q",
        title="milliseconds a step (log scale)",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=log_axis(log_ticks(domain)),
    )
    measured = chart.transform_filter("datum.state == 'measured'")
    told = tooltip(
        ("variant:N", "engine"),
        ("preset:N", "preset"),
        ("time_text:N", "projected step"),
        ("interval:N", "band"),
        ("evidence:N", "evidence"),
        ("machine:N", "machine"),
        ("command:N", "to measure it"),
    )
    projected: list[alt.Chart] = []
    if (rows["state"] == "projected").any():
        projected = projection_layers(chart, theme, x, y, ("milliseconds_low", "milliseconds_high"), color, shape, told)
    layers = [
        *projected,
        measured.mark_line(strokeWidth=2.2, opacity=0.9).encode(
            x=x, y=y, color=color, detail=["machine:N"], **machine_dash(rows)
        ),
        measured.mark_rule(strokeWidth=1.6, opacity=0.8).encode(
            x=x, y=alt.Y("milliseconds_low:Q"), y2="milliseconds_high:Q", color=color
        ),
        measured.mark_point(filled=True, size=95, opacity=1).encode(
            x=x,
            y=y,
            color=color,
            shape=shape,
            tooltip=tooltip(
                ("variant:N", "engine"),
                ("preset:N", "preset"),
                ("time_text:N", "median step"),
                ("interval:N", "interval"),
                ("tokens_text:N", "tokens per second"),
                ("evidence:N", "evidence"),
                ("machine:N", "machine"),
                ("protocol:N", "protocol"),
                ("command:N", "to repeat it"),
            ),
        ),
    ]
    return alt.layer(*layers, *failures).properties(width="container", height=HEIGHT)


def describe_step_time(rows: pd.DataFrame) -> str:
    """The fastest and slowest cell of each engine, and the number of failures."""
    ends = describe_ends(rows[rows["state"] == "measured"], "time_text")
    summary = f"Median time of one training step, by model size. {ends}" if ends else "Nothing was measured."
    return summary + describe_failures(rows) + describe_projections(rows)


STEP_TIME = Figure(
    name="step_time",
    title="Time of one training step",
    summary="Median over the measured steps of every round: forward, backward, clipping and the AdamW update of one "
    "batch. Both axes are logarithmic; bars are intervals, crosses at the bottom are cells that failed. Hollow points "
    "on dashed lines were not measured: a cost model projects them, and the broad bar is its band.",
    rows=step_time_rows,
    chart=step_time_chart,
    describe=describe_step_time,
    columns=(
        Column("variant", "engine", text),
        Column("preset", "preset", text),
        Column("state", "kind", text),
        Column("seconds", "median step", lambda value: quantities.duration(value) if value == value else "failed"),
        Column("interval", "interval", text),
        Column("tokens_text", "tokens per second", text),
        Column("evidence", "evidence", text),
        Column("machine", "machine", text),
        Column("reason", "failure", text),
    ),
    needs="one measured cell",
    command="invoke bench --suite quick",
)
