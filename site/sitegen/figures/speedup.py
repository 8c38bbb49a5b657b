"""The main figure: speedup or step time over model size, for any baseline, engines and peers.

The figure shows a curve and not one factor, because overhead and work grow differently. Both axes are logarithmic.
Readers and links choose three parameters: ``measure``, ``baseline`` and ``show``. The range of the axis and its ticks
depend on them: they are computed here for every choice and looked up in the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import altair as alt
import pandas as pd

from bench.arms.registry import FAST, ROOFLINE
from sitegen.figures.axes import (
    above,
    at_size,
    frame,
    framed,
    log_domain,
    parameter_axis,
    view,
)
from sitegen.figures.base import Drawing
from sitegen.figures.chart_texts import duration_expression, ratio_expression, tick_duration, value_expressions
from sitegen.figures.descriptions import describe_ends, describe_failures, describe_projections
from sitegen.figures.fields import CROSS, POINT, PRESET, TABLE, VARIANT, Field, cell_origin, exported, tooltip
from sitegen.figures.grammar.line_names import log_level
from sitegen.figures.grammar.words import UNRESOLVED, first_machine, in_doubt, parameters, short_ratio
from sitegen.figures.layers import Values, limit, reference_line
from sitegen.figures.menus import in_first_view, menu, show_menu, up_to
from sitegen.rows.curves import OFF_SCALE, SPEEDUP_MEASURE, STEP_TIME_MEASURE, curve_rows, is_off_scale
from sitegen.rows.results import row_dicts
from sitegen.rows.series import label_of, order_series
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

__all__ = ["FIELDS", "chart", "describe", "headline", "read"]

read = curve_rows

FIELDS = (
    VARIANT,
    PRESET,
    Field("state", "state", TABLE),
    Field("baseline", "baseline", POINT),
    Field("value", "a step", TABLE, quantities.duration, missing="failed"),
    Field("value_text", "value", POINT),
    Field("interval", "interval", POINT | TABLE),
    Field("detail", "that is", POINT | TABLE),
    Field("verdict_text", "verdict", POINT | TABLE),
    *cell_origin(code=POINT | TABLE),
    *exported(
        "measure", "tier", "n_parameters", "low", "high", "own_time", "baseline_time", "slot", "edge", "edge_text",
        "bridge",
    ),
)  # fmt: skip

MEASURES = {SPEEDUP_MEASURE: "how many times as fast", STEP_TIME_MEASURE: "time of one training step"}
# Ticks of times, in seconds; finer ones are used if a range holds too few of these.
_CLOCK = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36_000.0, 360_000.0)


def baselines(rows: pd.DataFrame) -> list[str]:
    """The baselines of the measured ratios, slowest engine first."""
    return order_series(rows.loc[(rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured"), "baseline"])


def default_baseline(rows: pd.DataFrame) -> str:
    """Of the baselines of most machines, Python if it has half as many presets as any other or more, else the widest.

    Plain Python is the natural baseline but cannot finish large presets, and would leave out most of the curve. A
    machine on which it was not measured would not be in the view at all.
    """
    ratios = rows[(rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "measured")]
    if ratios.empty:
        return ""
    machines = ratios.groupby("baseline")["machine"].nunique()
    reach = ratios.groupby("baseline")["preset"].nunique()
    names = [name for name in baselines(rows) if machines[name] == machines.max()]
    widest = max(names, key=lambda name: int(reach[name]))  # of equals the slowest, which comes first
    return "python" if "python" in names and 2 * reach["python"] >= reach[widest] else widest


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines over parameters, log-log, with choices, intervals, verdicts, and failures at the bottom."""
    show = show_menu(rows, theme)
    names = show.look.names
    chart = alt.Chart(_in_numbers(at_size(rows))).transform_filter(show.condition).transform_calculate(**_WORDS)
    place = {"x": parameter_axis(rows, names), "y": framed("value")}
    values = Values(place, show.look, tooltip(FIELDS), ends=("low", "high"), size=100)
    failures = values.failed(chart, rows, tooltip(FIELDS, CROSS))
    if not (rows["state"] == "measured").any():
        return alt.layer(*failures).add_params(*show.parameters)
    measures = {name: words for name, words in MEASURES.items() if (rows["measure"] == name).any()}
    options = baselines(rows)
    is_time = f"measure == '{STEP_TIME_MEASURE}'"
    parameters = [
        menu("measure", next(iter(measures)), measures, "Measure"),
        menu("baseline", default_baseline(rows), {name: label_of(name) for name in options}, "Baseline"),
        *show.parameters,
        alt.param(name="view", expr=f"({is_time} ? '' : baseline) + '|' + show"),
        frame(_views(rows, options, show.choices), "view"),
    ]
    chosen = chart.transform_filter(f"datum.measure == measure && ({is_time} || datum.baseline == baseline)")
    on_scale = chosen.transform_filter(f"{is_time} || datum.value >= {OFF_SCALE}")
    drawn = on_scale.transform_filter(f"datum.state != 'failed' && datum.variant != '{ROOFLINE}'")
    engines = drawn.transform_filter("datum.state == 'measured'")
    layers: list[alt.Chart] = []
    if (rows["variant"] == ROOFLINE).any():
        products = on_scale.transform_filter(f"datum.variant == '{ROOFLINE}'")
        crosses = 15 * _strips(rows)
        at = f"{is_time} ? height - {crosses + 8} : 8"
        layers += limit(products, place, f"{is_time} ? height : 0", theme, at, "limit of the products")
    if options:
        layers += reference_line("one", 1.0, theme, condition=f"measure == '{SPEEDUP_MEASURE}'", names=names)
    if (rows["state"] == "projected").any():
        layers += values.projected(on_scale, tooltip(FIELDS, command="to measure it"))
    layers += [
        *values.names(drawn, log_level("value", "frame.low", "frame.high"), theme),
        values.line(engines),
        *values.by_verdict(engines, theme),
    ]
    if is_off_scale(rows).any():
        below = chosen.transform_filter(f"datum.state == 'measured' && measure == '{SPEEDUP_MEASURE}'")
        below = below.transform_filter(f"datum.value < {OFF_SCALE} && datum.edge_text != ''")
        layers.append(values.below(below, "edge", x=alt.XValue(14)))
    labels = json.dumps({name: label_of(name) for name in options})
    title = alt.ExprRef(
        f"{is_time} ? 'time of one training step (log scale)' : "
        f"'times as fast as ' + ({labels})[baseline] + ' (log scale)'"
    )
    return alt.layer(*layers, *failures).add_params(*parameters).properties(title=above(title, theme))


# Vega expressions for the texts of a row, as `quantities` writes them; empty for a failure.
_WORDS = {
    **value_expressions(
        lambda value: (
            f"(datum.measure == '{STEP_TIME_MEASURE}' ? {duration_expression(value)} : {ratio_expression(value)})"
        )
    ),
    "detail": "datum.own_time ? datum.own_time + ' against ' + datum.baseline_time + ' a step' : datum.detail",
}


def _in_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn, without the texts that the chart computes.

    Projected ratios below the axis are only in the downloads: their labels would hide more than they say.
    """
    projected = (rows["measure"] == SPEEDUP_MEASURE) & (rows["state"] == "projected")
    return rows[~(projected & (rows["value"] < OFF_SCALE))].drop(columns=["value_text", "interval"])


def _views(rows: pd.DataFrame, options: list[str], shown: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The vertical axis for every choice: ``baseline|show``, or ``|show`` for times."""
    views = {}
    for tier in shown:
        visible = up_to(rows, tier)
        crosses = _strips(visible)
        times = visible[visible["measure"] == STEP_TIME_MEASURE]
        if len(times):
            views[f"|{tier}"] = _view(log_domain(_values(times), crosses), clock=True)
        for name in options:
            ratios = visible[(visible["measure"] == SPEEDUP_MEASURE) & (visible["baseline"] == name)]
            values = pd.concat([pd.Series([1.0]), _values(ratios[ratios["value"] >= OFF_SCALE])])
            views[f"{name}|{tier}"] = _view(log_domain(values, crosses + bool(is_off_scale(ratios).any())))
    return views


def _strips(rows: pd.DataFrame) -> int:
    """Number of rows of crosses along the bottom edge."""
    failed = rows[rows["state"] == "failed"]
    return int(failed["slot"].max()) + 1 if len(failed) else 0


def _values(rows: pd.DataFrame) -> pd.Series:
    return pd.concat([rows["value"], rows["low"], rows["high"]])


def _view(domain: list[float], clock: bool = False) -> dict[str, Any]:
    if not clock:
        return view(domain, "{:,.15g}×".format)
    seconds = [second for second in _CLOCK if domain[0] <= second <= domain[1]]
    return view(domain, tick_duration, seconds)


def headline(rows: pd.DataFrame) -> str:
    """State our highest ratio that is told apart from 1×, and the one at the largest model, each with its engine."""
    name = default_baseline(rows)
    shown = first_machine(rows)
    ours = (shown["state"] == "measured") & shown["variant"].isin(FAST) & (shown["baseline"] == name)
    ratios = _fastest_of_each(shown[ours])
    if ratios.empty:
        return step_headline(rows)
    resolved = ratios[ratios["verdict"] != UNRESOLVED]
    largest = row_dicts(ratios.tail(1))[0]
    there = _ratio_words(largest)
    if resolved.empty:
        return f"{largest['variant']} is {there} as fast as {name} at {largest['preset']}"
    best = row_dicts(resolved.loc[[resolved["value"].astype(float).idxmax()]])[0]
    finding = f"{best['variant']} is {_ratio_words(best)} as fast as {name} at {best['preset']}"
    if best["preset"] == largest["preset"]:
        return finding
    turn = "the gap narrows to" if largest["value"] < best["value"] else "it is"
    if largest["variant"] != best["variant"]:
        turn = f"{largest['variant']} is"
    return f"{finding}; at {parameters(largest['n_parameters'])} {turn} {there}"


def _fastest_of_each(ratios: pd.DataFrame) -> pd.DataFrame:
    """The row of our fastest engine at each size, by size."""
    best = ratios.sort_values("value", kind="stable").drop_duplicates("preset", keep="last")
    return best.sort_values("n_parameters")


def _ratio_words(row: dict[str, Any]) -> str:
    return in_doubt(row["value"], row["low"], row["high"], short_ratio, level=1.0)


def step_headline(rows: pd.DataFrame) -> str:
    """State the step time of our fast engine, or of what was measured, at both ends of the sizes."""
    shown = first_machine(rows)
    steps = shown[(shown["measure"] == STEP_TIME_MEASURE) & (shown["state"] == "measured")]
    if steps.empty:
        return "No step could be measured"
    names = [name for name in FAST if (steps["variant"] == name).any()]
    own = steps[steps["variant"] == (names[-1] if names else steps["variant"].iloc[0])]
    ends = row_dicts(own.sort_values("n_parameters").iloc[[0, -1]].drop_duplicates("preset"))
    times = [
        f"{in_doubt(row['value'], row['low'], row['high'], quantities.duration)} at {row['preset']}" for row in ends
    ]
    return f"A training step of {ends[0]['variant']} takes {quantities.listed(times)}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the view that opens: the ends of the curves, and the number of failures and projections."""
    baseline = default_baseline(rows)
    rows = in_first_view(rows)
    measured = rows[rows["state"] == "measured"]
    if baseline:
        ends = describe_ends(measured[measured["baseline"] == baseline], "value_text")
        summary = f"Times as fast as {baseline}, by model size. {ends}"
    else:
        ends = describe_ends(measured, "value_text")
        summary = f"Median time of one training step, by model size. {ends}" if ends else "Nothing was measured."
    steps = rows[rows["measure"] != SPEEDUP_MEASURE]
    return summary + describe_failures(rows) + describe_projections(steps)
