"""The main figure: speedup or step time over model size, for any baseline, engines and peers.

A curve and no single factor, because overhead and work grow differently. Both axes are logarithmic. Three parameters
are the reader's, and a link can set them: ``measure``, ``baseline`` and ``show``. What follows from them (the range of
the axis, its ticks) is a table of views, computed here and looked up in the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import altair as alt
import pandas as pd

from bench.arms.registry import ROOFLINE
from sitegen.figures.base import (
    HEIGHT,
    Column,
    Drawing,
    Figure,
    above,
    describe_ends,
    describe_failures,
    describe_projections,
    failure_layer,
    log_domain,
    log_ticks,
    machine_dash,
    parameter_axis,
    projection_layers,
    text,
    tooltip,
)
from sitegen.figures.curve_rows import (
    OFF_SCALE,
    SPEEDUP_MEASURE,
    STEP_TIME_MEASURE,
    curve_rows,
    is_off_scale,
    steps_and_failures,
)
from sitegen.figures.menus import menu, show_menu, up_to
from sitegen.rows.series import label_of, order_series, words_of
from sitegen.text import quantities
from sitegen.text.palette import Theme

MEASURES = {SPEEDUP_MEASURE: "how many times as fast", STEP_TIME_MEASURE: "time of one training step"}
# How full a point is: what is not told apart from noise is paler.
VERDICTS = {"stable": 1.0, "noisy": 0.5, "unresolved": 0.15}
# Seconds that a clock has names for; finer ones where a range holds too few of these.
_CLOCK = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0, 360_000.0)


def baselines(rows: pd.DataFrame) -> list[str]:
    """The baselines that at least one measured ratio is formed with, slowest engine first."""
    return order_series(rows.loc[(rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured"), "baseline"])


def default_baseline(rows: pd.DataFrame) -> str:
    """The 1× line where it reaches at least half as many presets as any other baseline, else the one that reaches most.

    Pure Python is the natural baseline but cannot finish large presets; with it alone, most of the curve is missing.
    """
    names = baselines(rows)
    if not names:
        return ""
    ratios = rows[(rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured")]
    reach = ratios.groupby("baseline")["preset"].nunique()
    widest = max(names, key=lambda name: int(reach[name]))  # the first, and so the slowest, of equals
    return "python" if "python" in names and 2 * reach["python"] >= reach[widest] else widest


def speedup_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines over parameters, log-log, with three menus, intervals, verdicts, and failures at the bottom."""
    show = show_menu(rows, theme)
    x, color, shape = parameter_axis(rows), show.color, show.shape
    chart = alt.Chart(_in_numbers(rows)).transform_filter(show.condition).transform_calculate(**_WORDS)
    failures = failure_layer(chart, rows, color, x)
    if not (rows["state"] == "measured").any():
        return alt.layer(*failures).add_params(show.parameter).properties(width="container", height=HEIGHT)
    measures = {name: words for name, words in MEASURES.items() if (rows["measure"] == name).any()}
    options = baselines(rows)
    parameters = [
        menu("measure", next(iter(measures)), measures, "Measure"),
        menu("baseline", default_baseline(rows), {name: words_of(name) for name in options}, "Baseline (1×)"),
        show.parameter,
        alt.param(name="view", expr=f"(measure == '{STEP_TIME_MEASURE}' ? '' : baseline) + '|' + show"),
        alt.param(name="frame", expr=f"({json.dumps(_views(rows, options, show.choices))})[view]"),
    ]
    y = alt.Y(
        "value:Q",
        title=None,
        # Given as a whole, so that no extent is sought in layers that a choice leaves empty.
        scale=alt.Scale(type="log", nice=False, domain=[alt.ExprRef("frame.low"), alt.ExprRef("frame.high")]),
        axis=alt.Axis(
            values=alt.ExprRef("frame.ticks"),
            labelExpr="frame.texts[indexof(frame.ticks, datum.value)]",
            labelOverlap="greedy",
            # Room for the widest label: a view keeps the margin that it had when it was first drawn.
            minExtent=46,
        ),
    )
    chosen = chart.transform_filter(
        f"datum.measure == measure && (measure == '{STEP_TIME_MEASURE}' || datum.baseline == baseline)"
    )
    on_scale = chosen.transform_filter(f"measure == '{STEP_TIME_MEASURE}' || datum.value >= {OFF_SCALE}")
    layers: list[alt.Chart] = []
    if (rows["state"] == "projected").any():
        layers += projection_layers(on_scale, theme, x, y, ("low", "high"), color, shape, _told("to measure it"))
    if options:
        layers += _unit_line(theme)
    layers += _measured_layers(on_scale, rows, theme, x, y, color, shape)
    if is_off_scale(rows).any():
        edge = alt.value(alt.ExprRef("height - 10 - 15 * datum.edge"))
        layers.append(
            chosen.transform_filter(f"datum.state == 'measured' && measure == '{SPEEDUP_MEASURE}'")
            .transform_filter(f"datum.value < {OFF_SCALE}")
            .mark_text(baseline="middle", fontSize=11)
            .encode(x=x, y=edge, text="edge_text:N", color=color, tooltip=_told("to repeat it"))
        )
    labels = json.dumps({name: label_of(name) for name in options})
    words = alt.ExprRef(
        f"measure == '{STEP_TIME_MEASURE}' ? 'time of one training step (log scale)' : "
        f"'times as fast as ' + ({labels})[baseline] + ' (log scale)'"
    )
    drawing = alt.layer(*layers, *failures).add_params(*parameters)
    return drawing.properties(width="container", height=HEIGHT, title=above(words, theme))


# The value and its interval, as `quantities` writes them; empty for a failure.
_WRITTEN = (
    f"(datum.measure == '{STEP_TIME_MEASURE}' ? {quantities.duration_expression('{0}')} : "
    f"{quantities.ratio_expression('{0}')})"
)
_WORDS = {
    "value_text": f"isValid(datum.value) ? {_WRITTEN.format('datum.value')} : ''",
    "interval": f"isValid(datum.low) ? {_WRITTEN.format('datum.low')} + ' to ' + {_WRITTEN.format('datum.high')} : ''",
    "detail": "datum.own_time ? datum.own_time + ' against ' + datum.baseline_time + ' a step' : datum.detail",
}


def _in_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn, without the texts that the chart writes from their numbers.

    A projected ratio below the axis is left to the downloads: a label per preset says less than it hides.
    """
    projected = (rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "projected")
    return rows[~(projected & (rows["value"] < OFF_SCALE))].drop(columns=["value_text", "interval"])


def _views(rows: pd.DataFrame, options: list[str], shown: Iterable[str]) -> dict[str, dict[str, Any]]:
    """For every choice, the range of the vertical axis and its ticks: ``baseline|show``, or ``|show`` for times."""
    views = {}
    for tier in shown:
        visible = up_to(rows, tier)
        failures = bool((visible["state"] == "failed").any())
        times = visible[visible["measure"] == STEP_TIME_MEASURE]
        if len(times):
            views[f"|{tier}"] = _view(log_domain(_values(times), failures), clock=True)
        for name in options:
            ratios = visible[(visible["measure"] == SPEEDUP_MEASURE) & (visible["baseline"] == name)]
            values = pd.concat([pd.Series([1.0]), _values(ratios[ratios["value"] >= OFF_SCALE])])
            views[f"{name}|{tier}"] = _view(log_domain(values, failures or bool(is_off_scale(ratios).any())))
    return views


def _values(rows: pd.DataFrame) -> pd.Series:
    return pd.concat([rows["value"], rows["low"], rows["high"]])


def _view(domain: list[float], clock: bool = False) -> dict[str, Any]:
    ticks = [second for second in _CLOCK if clock and domain[0] <= second <= domain[1]]
    if len(ticks) < 3:
        ticks = log_ticks(domain)
    texts = [quantities.tick_duration(tick) if clock else f"{tick:,.15g}×" for tick in ticks]
    return {"low": domain[0], "high": domain[1], "ticks": ticks, "texts": texts}


def _told(command: str) -> list[alt.Tooltip]:
    """A point's tooltip: the cell, what it is worth, how it was measured, and how to do so again."""
    return tooltip(
        ("variant:N", "engine"),
        ("preset:N", "preset"),
        ("baseline:N", "baseline"),
        ("value_text:N", "value"),
        ("interval:N", "interval"),
        ("detail:N", "that is"),
        ("verdict_text:N", "verdict"),
        ("evidence:N", "evidence"),
        ("code:N", "code"),
        ("machine:N", "machine"),
        ("protocol:N", "protocol"),
        ("command:N", command),
    )


def _unit_line(theme: Theme) -> list[alt.Chart]:
    """The baseline's own line at 1×, named; only where ratios are shown."""
    one = alt.Chart(pd.DataFrame({"one": [1.0]})).transform_filter(f"measure == '{SPEEDUP_MEASURE}'")
    return [
        one.mark_rule(color=theme.muted, strokeDash=[3, 3], opacity=0.9).encode(y=alt.Y("one:Q")),
        one.mark_text(align="right", dy=-7, text=alt.ExprRef("'1× = ' + baseline"), color=theme.muted).encode(
            y=alt.Y("one:Q"), x=alt.value(alt.ExprRef("width"))
        ),
    ]


def _measured_layers(
    chart: alt.Chart, rows: pd.DataFrame, theme: Theme, x: alt.X, y: alt.Y, color: alt.Color, shape: alt.Shape
) -> list[alt.Chart]:
    """Lines, intervals, and points that are the paler the less they are worth; the bound of the products is dotted."""
    measured = chart.transform_filter("datum.state == 'measured'")
    of_engines = measured.transform_filter(f"datum.variant != '{ROOFLINE}'")
    present = [name for name in VERDICTS if (rows["verdict"] == name).any()]
    worth = alt.Opacity(
        "verdict:N",
        scale=alt.Scale(type="ordinal", domain=present, range=[VERDICTS[name] for name in present]),
        legend=alt.Legend(
            title=None,
            orient="bottom",
            columns=len(present),
            symbolFillColor=theme.muted,
            symbolStrokeColor=theme.muted,
        ),
    )
    layers = [
        of_engines.mark_line(strokeWidth=2.2, opacity=0.9).encode(
            x=x, y=y, color=color, detail=["machine:N"], **machine_dash(rows)
        ),
        measured.mark_rule(strokeWidth=1.6, opacity=0.8).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color),
        # The outline, on an opaque ground, so that a pale point does not show the line behind it.
        measured.mark_point(filled=False, fill=theme.background, size=80, strokeWidth=1.6, opacity=1).encode(
            x=x, y=y, color=color, shape=shape
        ),
        measured.mark_point(filled=True, size=80).encode(
            x=x, y=y, color=color, shape=shape, opacity=worth, tooltip=_told("to repeat it")
        ),
    ]
    if (rows["variant"] == ROOFLINE).any():
        products = measured.transform_filter(f"datum.variant == '{ROOFLINE}'")
        layers.insert(
            0,
            products.mark_line(strokeWidth=1.8, strokeDash=[1, 3], strokeCap="round").encode(
                x=x, y=y, color=color, detail=["machine:N"]
            ),
        )
    return layers


def describe_speedup(rows: pd.DataFrame) -> str:
    """The curve's ends for the default baseline, or the step times' without one, and the number of failures."""
    baseline = default_baseline(rows)
    measured = rows[rows["state"] == "measured"]
    if baseline:
        ends = describe_ends(measured[measured["baseline"] == baseline], "value_text")
        summary = f"Times as fast as {baseline}, by model size. {ends}"
    else:
        ends = describe_ends(measured, "value_text")
        summary = f"Median time of one training step, by model size. {ends}" if ends else "Nothing was measured."
    steps = rows[rows["measure"] != SPEEDUP_MEASURE]
    return summary + describe_failures(rows) + describe_projections(steps)


SPEEDUP = Figure(
    name="speedup",
    title="How much faster, and at what size",
    summary="Medians over the model's size, ratios within one run. Bars are intervals. A full point is stable, a "
    "paler one noisy or unresolved. Crosses at the bottom are cells that failed, arrows ratios below the axis. Hollow "
    "points on dashed lines were not measured: a cost model projects them, and the broad bar is its band. The dotted "
    "line is the matrix products alone.",
    rows=curve_rows,
    chart=speedup_chart,
    describe=describe_speedup,
    columns=(
        Column("variant", "engine", text),
        Column("preset", "preset", text),
        Column("state", "kind", text),
        Column("value", "a step", lambda value: quantities.duration(value) if value == value else "failed"),
        Column("interval", "interval", text),
        Column("detail", "that is", text),
        Column("verdict_text", "verdict", text),
        Column("reason", "failure", text),
        Column("evidence", "evidence", text),
        Column("code", "code", text),
        Column("machine", "machine", text),
        Column("command", "to repeat it", text),
    ),
    needs="one measured cell",
    command="invoke bench --suite quick",
    tabulated=steps_and_failures,
)
