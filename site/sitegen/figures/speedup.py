"""Speedup over model size, for any baseline: a curve, because overhead and work grow differently.

speedup(variant, preset) = median step time of the baseline / median step time of the variant,
within one machine and one protocol; the interval is that of the ratio (``bench.stats``). The ratios for every
baseline are computed here, so that the menu in the page only filters.
"""

from __future__ import annotations

import json

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
from sitegen.frames import CELL_TEXT, Results, cell_frame, ratio_frame
from sitegen.palette import Theme, order_variants
from sitegen.projections import mark_bridges, projected_ratios

# Ratios below this would stretch the axis until nothing else can be read from it: they stand at the lower edge.
OFF_SCALE = 0.2


def speedup_rows(results: Results) -> pd.DataFrame:
    """Ratios for every baseline, projected ones after the measured, and the failed cells, which belong to all."""
    cells = cell_frame(results)
    ratios = ratio_frame(results).assign(state="measured")
    projected = projected_ratios(cells)
    if ratios.empty:
        # Without a pair to compare there is no ratio; then the failures alone are no speedup figure either.
        failed = cells[cells["state"] == "failed"]
        if failed.empty or (cells["state"] == "measured").any():
            return ratios
    failed = cells[cells["state"] == "failed"].assign(baseline=None)
    parts = [part for part in (projected, failed) if not part.empty]
    rows = pd.concat([ratios, *parts], ignore_index=True) if parts else ratios
    rows["bridge"] = mark_bridges(rows, ["origin", "machine_hash", "baseline", "variant"])
    rows["slot"] = stack_failures(rows)
    rows["speedup_text"] = [quantities.ratio(value) if pd.notna(value) else "" for value in rows["speedup"]]
    rows["edge"] = _edge_slots(rows)
    rows["edge_text"] = "↓ " + rows["speedup_text"]
    rows["interval"] = [
        f"{quantities.ratio(low)} to {quantities.ratio(high)}" if pd.notna(low) and pd.notna(high) else ""
        for low, high in zip(rows["speedup_low"], rows["speedup_high"], strict=True)
    ]
    rows["times"] = [
        f"{quantities.duration(own)} against {quantities.duration(other)}" if pd.notna(own) and pd.notna(other) else ""
        for own, other in zip(rows["seconds"], rows["baseline_seconds"], strict=True)
    ]
    return rows[[*_FIELDS]]


_FIELDS = (
    "state", "baseline", "variant", "preset", "n_parameters", "speedup", "speedup_low", "speedup_high",
    "speedup_text", "interval", "times", "slot", "edge", "edge_text", "bridge", *CELL_TEXT,
)  # fmt: skip


def _edge_slots(rows: pd.DataFrame) -> pd.Series:
    """Where a ratio that is too small for the axis stands: above the failures of its preset, none on another."""
    failures = rows.loc[rows["state"] == "failed", "n_parameters"].value_counts()
    below = rows[(rows["speedup"] < OFF_SCALE) & (rows["state"] == "measured")]
    place = below.groupby(["baseline", "n_parameters"]).cumcount()
    return rows["n_parameters"].map(failures).fillna(0).astype(int) + place.reindex(rows.index, fill_value=0)


def baselines(rows: pd.DataFrame) -> list[str]:
    """The baselines that at least one measured ratio is formed with, slowest engine first."""
    return order_variants(rows.loc[rows["state"] == "measured", "baseline"].tolist())


def default_baseline(rows: pd.DataFrame) -> str:
    """The 1× line where it reaches at least half as many presets as any other baseline, else the one that reaches most.

    Pure Python is the natural baseline but cannot finish large presets; with it alone, most of the curve is missing.
    """
    names = baselines(rows)
    if not names:
        return ""
    reach = rows[rows["state"] == "measured"].groupby("baseline")["preset"].nunique()
    widest = max(names, key=lambda name: int(reach[name]))  # the first, and so the slowest, of equals
    return "python" if "python" in names and 2 * reach["python"] >= reach[widest] else widest


def _domains(rows: pd.DataFrame, names: list[str]) -> dict[str, list[float]]:
    """For every baseline, the vertical range of its ratios down to ``OFF_SCALE``, with the baseline's own 1× in it."""
    failures = bool((rows["state"] == "failed").any())
    domains = {}
    for name in names:
        ratios = rows[(rows["baseline"] == name) & (rows["speedup"] >= OFF_SCALE)]
        values = pd.concat([pd.Series([1.0]), ratios["speedup"], ratios["speedup_low"], ratios["speedup_high"]])
        below = bool(((rows["baseline"] == name) & (rows["speedup"] < OFF_SCALE) & (rows["state"] == "measured")).any())
        domains[name] = log_domain(values, failures or below)
    return domains


def speedup_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of speedup over parameters, log-log, with a baseline menu, intervals, and failures at the bottom."""
    names = baselines(rows)
    variants = order_variants(rows["variant"].tolist())
    color, shape = variant_encodings(variants, theme)
    x = parameter_axis(rows)
    chart = alt.Chart(rows)
    failures = failure_layer(chart, rows, color, x)
    if not names:
        return alt.layer(*failures).properties(width="container", height=HEIGHT)
    baseline = alt.param(
        name="baseline",
        value=default_baseline(rows),
        bind=alt.binding_select(options=names, name="Baseline (the 1× line) "),
    )
    ratios = chart.transform_filter("datum.baseline == baseline")
    on_scale = ratios.transform_filter(f"datum.speedup >= {OFF_SCALE}")
    measured = on_scale.transform_filter("datum.state == 'measured'")
    # A projected ratio below the axis is left to the table: a label per preset says less than it hides.
    below = ratios.transform_filter(f"datum.state == 'measured' && datum.speedup < {OFF_SCALE}")
    told = tooltip(
        ("variant:N", "engine"),
        ("preset:N", "preset"),
        ("baseline:N", "baseline"),
        ("speedup_text:N", "times faster"),
        ("interval:N", "interval"),
        ("times:N", "a step"),
        ("evidence:N", "evidence"),
        ("machine:N", "machine"),
        ("protocol:N", "protocol"),
        ("command:N", "to repeat it"),
    )
    projected_told = tooltip(
        ("variant:N", "engine"),
        ("preset:N", "preset"),
        ("baseline:N", "baseline"),
        ("speedup_text:N", "times faster, projected"),
        ("interval:N", "band"),
        ("times:N", "a step"),
        ("evidence:N", "evidence"),
        ("machine:N", "machine"),
        ("command:N", "to measure it"),
    )
    domains = _domains(rows, names)
    # Names come from results: as JSON they cannot be anything but strings.
    table = json.dumps(domains)
    ticks = json.dumps({name: log_ticks(domain) for name, domain in domains.items()})
    y = alt.Y(
        "speedup:Q",
        title="times faster than the baseline (log scale)",
        scale=alt.Scale(
            type="log",
            nice=False,
            # Given as a whole, so that no extent is sought in layers that a baseline leaves empty.
            domain=[alt.ExprRef(f"({table})[baseline][0]"), alt.ExprRef(f"({table})[baseline][1]")],
        ),
        axis=log_axis(alt.ExprRef(f"({ticks})[baseline]"), label="format(datum.value, ',~r') + '×'"),
    )
    projected: list[alt.Chart] = []
    if (rows["state"] == "projected").any():
        band = ("speedup_low", "speedup_high")
        projected = projection_layers(on_scale, theme, x, y, band, color, shape, projected_told)
    layers = [
        *projected,
        alt.Chart(pd.DataFrame({"one": [1.0]}))
        .mark_rule(color=theme.muted, strokeDash=[3, 3], opacity=0.9)
        .encode(y=alt.Y("one:Q")),
        alt.Chart(pd.DataFrame({"one": [1.0]}))
        .mark_text(align="right", dy=-7, text=alt.ExprRef("'1× = ' + baseline"), color=theme.muted)
        .encode(y=alt.Y("one:Q"), x=alt.value(alt.ExprRef("width"))),
        measured.mark_line(strokeWidth=2.2, opacity=0.9).encode(
            x=x, y=y, color=color, detail=["machine:N"], **machine_dash(rows)
        ),
        measured.mark_rule(strokeWidth=1.6, opacity=0.8).encode(
            x=x, y=alt.Y("speedup_low:Q"), y2="speedup_high:Q", color=color
        ),
        measured.mark_point(filled=True, size=95, opacity=1).encode(
            x=x,
            y=y,
            color=color,
            shape=shape,
            tooltip=told,
        ),
    ]
    if ((rows["speedup"] < OFF_SCALE) & (rows["state"] == "measured")).any():
        edge = alt.value(alt.ExprRef("height - 10 - 15 * datum.edge"))
        layers.append(
            below.mark_text(baseline="middle").encode(x=x, y=edge, text="edge_text:N", color=color, tooltip=told)
        )
    return alt.layer(*layers, *failures).add_params(baseline).properties(width="container", height=HEIGHT)


def describe_speedup(rows: pd.DataFrame) -> str:
    """The curve's ends for the default baseline, and the number of failures."""
    baseline = default_baseline(rows)
    ends = describe_ends(rows[(rows["baseline"] == baseline) & (rows["state"] == "measured")], "speedup_text")
    summary = f"Times faster than {baseline}, by model size. {ends}" if ends else "No ratio could be formed."
    return summary + describe_failures(rows) + describe_projections(rows)


SPEEDUP = Figure(
    name="speedup",
    title="How much faster, and at what size",
    summary="Ratio of median step times within one machine, over the model's size. Pick the baseline; "
    "bars are intervals, crosses at the bottom are cells that failed, arrows ratios below the axis. Hollow points on "
    "dashed lines have one side that was not measured: a cost model projects it, and the broad bar is its band.",
    rows=speedup_rows,
    chart=speedup_chart,
    describe=describe_speedup,
    columns=(
        Column("variant", "engine", text),
        Column("preset", "preset", text),
        Column("baseline", "baseline", text),
        Column("state", "kind", text),
        Column("speedup", "times faster", lambda value: quantities.ratio(value) if value == value else "failed"),
        Column("interval", "interval", text),
        Column("times", "a step", text),
        Column("machine", "machine", text),
        Column("reason", "failure", text),
    ),
    needs="two engines measured at the same preset on one machine",
    command="invoke bench --suite quick",
)
