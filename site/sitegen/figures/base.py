"""What a figure is: a question, the rows that answer it, and a pure function from those rows to an Altair chart."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from sitegen.rows.results import Results
from sitegen.rows.series import label_of, order_series, series_colors, series_shapes
from sitegen.text.palette import Theme
from tinygpt.presets import PRESETS

Drawing = alt.LayerChart | alt.FacetChart  # what altair.layer() may return

HEIGHT = 380  # pixels of the plotting area

# ✕ as a path in Vega's unit square: a failure is never mistaken for a measured point.
FAILURE_SHAPE = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"


@dataclass(frozen=True)
class Column:
    """A column of the table behind a figure: the field, its heading and how a value is written."""

    field: str
    heading: str
    write: Callable[[Any], str]


@dataclass(frozen=True)
class Figure:
    """A row of the registry.

    Attributes:
        name: stable name, used by pages and in file names.
        title: heading above the chart.
        summary: one sentence below it, saying how to read it.
        rows: results → exactly the rows that are plotted (and published as CSV).
        chart: those rows and a theme → the chart. Not called with an empty frame.
        describe: those rows → what the chart shows, in words, for readers who do not see it.
        columns: the table behind the figure.
        needs: what must have been measured for there to be anything to plot.
        command: what to run when there is nothing to plot.
        tabulated: the plotted rows → those that the table behind the figure shows; all of them by default.
    """

    name: str
    title: str
    summary: str
    rows: Callable[[Results], pd.DataFrame]
    chart: Callable[[pd.DataFrame, Theme], Drawing]
    describe: Callable[[pd.DataFrame], str]
    columns: tuple[Column, ...]
    needs: str
    command: str
    tabulated: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows


# Sizes that differ by less than this factor are one tick; by less than the second, two ticks with short labels.
_SAME_SIZE, _CLOSE = 1.1, 1.7
_ENOUGH_TICKS = 4


def parameter_axis(rows: pd.DataFrame) -> alt.X:
    """The model size axis: logarithmic, ticks at the presets, each with its name and parameter count."""
    present = sorted(set(rows["n_parameters"].dropna().astype(int)))
    marks = {preset.model.n_parameters: name for name, preset in PRESETS.items()}
    low, high = present[0], present[-1]
    groups: list[list[int]] = []
    for count in present:
        # Presets of about one size share a tick.
        if groups and count < groups[-1][0] * _SAME_SIZE:
            groups[-1].append(count)
        else:
            groups.append([count])
    ticks = [group[0] for group in groups]
    labels = {}
    for before, group, after in zip([0, *ticks], groups, [*ticks[1:], math.inf], strict=False):
        names = " · ".join(marks.get(count, "") for count in group)
        # Where the next preset is close, there is room for the name and no more.
        close = before * _CLOSE > group[0] or group[0] * _CLOSE > after
        labels[str(group[0])] = names if close else [names, short_count(group[0])]
    return alt.X(
        "n_parameters:Q",
        title="parameters of the model (log scale)",
        # Widened, so that a single preset still has an axis and end points do not sit on the frame.
        scale=alt.Scale(type="log", domain=[low / 1.5, high * 1.5], nice=False),
        axis=alt.Axis(
            values=ticks,
            labelExpr=f"({json.dumps(labels)})[datum.value]",
            labelOverlap="greedy",
            labelSeparation=6,
            grid=False,
        ),
    )


def log_domain(values: pd.Series, failures: bool = False) -> list[float]:
    """A logarithmic axis' range around positive values: never empty, at least a factor of 2 wide.

    Args:
        values: what has to fit.
        failures: leaves room at the bottom for the crosses.
    """
    positive = values[values > 0].dropna()
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
    if high / low < 2:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(2), middle * math.sqrt(2)
    span = high / low
    return [low / span ** (0.18 if failures else 0.06), high * span**0.06]


# What a tick's first digits may be, from the sparsest choice to the densest.
_MANTISSAS = (
    (1.0,),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0),
)


def log_ticks(domain: list[float]) -> list[float]:
    """Ticks that people count in: powers of ten, or 1, 2, 5, or finer, whichever first gives enough of them.

    Args:
        domain: the axis' range, above 0.
    """
    low, high = domain
    ticks: list[float] = []
    for mantissas in _MANTISSAS:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        every = (float(f"{mantissa}e{decade}") for decade in decades for mantissa in mantissas)
        ticks = [tick for tick in every if low <= tick <= high]
        if len(ticks) >= _ENOUGH_TICKS:
            break
    return ticks


def log_axis(ticks: list[float] | alt.ExprRef, label: str = "format(datum.value, ',~r')") -> alt.Axis:
    """A logarithmic axis with given ticks; ``label`` is an expression for a tick's text."""
    # Room for the widest label of any baseline: a view keeps the margin that it had when it was first drawn.
    return alt.Axis(values=ticks, labelExpr=label, labelOverlap="greedy", minExtent=46)


def variant_encodings(
    variants: Iterable[str], theme: Theme, listed: alt.ExprRef | None = None
) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape by engine variant, with one legend for both.

    Args:
        variants: who is drawn.
        theme: gives the colours.
        listed: expression for the variants that the legend lists, where the reader chooses; all by default.
    """
    names = order_series(variants)
    labels = {name: label_of(name) for name in names}
    legend = alt.Legend(
        title=None,
        orient="bottom",
        columns=legend_columns([*labels.values()]),
        symbolSize=90,
        # Names come from results: as JSON they cannot be anything but strings.
        labelExpr=f"({json.dumps(labels)})[datum.value]",
        values=alt.Undefined if listed is None else listed,
    )
    color = alt.Color("variant:N", scale=alt.Scale(domain=names, range=series_colors(names, theme)), legend=legend)
    shape = alt.Shape("variant:N", scale=alt.Scale(domain=names, range=series_shapes(names)), legend=legend)
    return color, shape


def legend_columns(labels: Sequence[str]) -> alt.ExprRef:
    """As many columns as fit side by side, on a phone as on a wide screen.

    ``room`` is a parameter that ``sitegen.figures.render`` adds: the width that the whole chart has, in pixels.
    """
    pixels = 30 + 6.5 * max((len(label) for label in labels), default=1)
    return alt.ExprRef(f"max(1, min({len(labels)}, floor((room - 60) / {pixels})))")


def machine_dash(rows: pd.DataFrame) -> dict[str, Any]:
    """Line style by machine, only where there is more than one: machines stand side by side, never pooled."""
    machines = list(dict.fromkeys(rows["machine"]))
    if len(machines) < 2:
        return {}
    styles = [[1, 0], [7, 4], [2, 3], [9, 3, 2, 3]]
    return {
        "strokeDash": alt.StrokeDash(
            "machine:N",
            scale=alt.Scale(domain=machines, range=[styles[index % len(styles)] for index in range(len(machines))]),
            legend=alt.Legend(
                title=None,
                orient="bottom",
                columns=1,
                symbolType="stroke",
                symbolSize=400,
                labelLimit=alt.ExprRef("room - 110"),
            ),
        )
    }


def above(words: str | alt.ExprRef, theme: Theme) -> alt.Title:
    """The vertical axis' title, written above it: it can follow the reader's choice there, and takes no width."""
    return alt.Title(words, anchor="start", frame="group", offset=10, fontSize=12.5, color=theme.muted)


def tooltip(*fields: tuple[str, str]) -> list[alt.Tooltip]:
    """Tooltip lines from (field with type, heading) pairs; the fields hold text that is ready to be read."""
    return [alt.Tooltip(field, title=heading) for field, heading in fields]


def failure_layer(chart: alt.Chart, rows: pd.DataFrame, color: alt.Color, x: alt.X) -> list[alt.Chart]:
    """Failures as crosses along the bottom edge, reason in the tooltip; no layer where nothing failed.

    ``slot`` stacks the failures of one preset, so that none hides another.
    """
    if not (rows["state"] == "failed").any():
        return []
    marks = (
        chart.transform_filter("datum.state == 'failed'")
        .mark_point(shape=FAILURE_SHAPE, size=80, strokeWidth=2.4, opacity=1)
        .encode(
            x=x,
            # From the bottom edge upwards, whatever the height: a fixed pixel would float when it changes.
            y=alt.value(alt.ExprRef("height - 8 - 15 * datum.slot")),
            color=color,
            tooltip=tooltip(
                ("variant:N", "engine"),
                ("preset:N", "preset"),
                ("status:N", "failed"),
                ("reason:N", "reason"),
                ("machine:N", "machine"),
                ("protocol:N", "protocol"),
                ("command:N", "to repeat it"),
            ),
        )
    )
    return [marks]


def projection_layers(
    chart: alt.Chart,
    theme: Theme,
    x: alt.X,
    y: alt.Y,
    interval: tuple[str, str],
    color: alt.Color,
    shape: alt.Shape,
    told: list[alt.Tooltip],
) -> list[alt.Chart]:
    """What the cost model says, drawn so that nobody takes it for a measurement: dashed, hollow, with a band.

    Args:
        chart: rows of one line each, among them those that ``bridge`` marks as part of a dashed line.
        theme: gives the colour inside the hollow points.
        x, y, color, shape: as of the measured points.
        interval: fields of the band's ends.
        told: the points' tooltip.
    """
    points = chart.transform_filter("datum.state == 'projected'")
    return [
        chart.transform_filter("datum.bridge")
        .mark_line(strokeWidth=1.6, opacity=0.85, strokeDash=[5, 4])
        .encode(x=x, y=y, color=color, detail=["machine:N"]),
        points.mark_rule(strokeWidth=8, opacity=0.22).encode(
            x=x, y=alt.Y(f"{interval[0]}:Q"), y2=f"{interval[1]}:Q", color=color
        ),
        points.mark_point(filled=False, fill=theme.background, size=80, strokeWidth=1.8, opacity=1).encode(
            x=x, y=y, color=color, shape=shape, tooltip=told
        ),
    ]


def describe_projections(rows: pd.DataFrame) -> str:
    """The number of projected points, as a sentence; empty without any."""
    count = int((rows["state"] == "projected").sum())
    return f" {count} {'points are projections' if count > 1 else 'point is a projection'}." if count else ""


def describe_ends(rows: pd.DataFrame, written: str) -> str:
    """For each machine, every engine's value at its smallest and largest preset; empty without rows.

    Args:
        rows: columns ``machine``, ``variant``, ``preset``, ``n_parameters`` and the one below.
        written: the column that holds the value as text.
    """
    machines = []
    for machine, on_machine in rows.groupby("machine", sort=False):
        parts = []
        for variant, group in on_machine.groupby("variant", sort=False):
            ends = group.sort_values("n_parameters")
            first, last = ends.iloc[0], ends.iloc[-1]
            part = f"{variant} {first[written]} at {first['preset']}"
            parts.append(part if len(ends) == 1 else f"{part} and {last[written]} at {last['preset']}")
        machines.append(f"{machine}: {'; '.join(parts)}.")
    return " ".join(machines)


def describe_failures(rows: pd.DataFrame) -> str:
    """The number of failed cells, as a sentence; empty without any."""
    failed = int((rows["state"] == "failed").sum())
    return f" {failed} {'cells' if failed > 1 else 'cell'} failed." if failed else ""


def stack_failures(rows: pd.DataFrame) -> pd.Series:
    """Slot of each failed row among the failures of its preset (0, 1, …); 0 for rows that did not fail."""
    failed = rows["state"] == "failed"
    slots = pd.Series(0, index=rows.index, dtype=int)
    slots[failed] = rows[failed].groupby("n_parameters").cumcount()
    return slots


def text(value: object) -> str:
    """A table cell's text; missing values are empty."""
    return "" if value is None or value != value else str(value)


def short_count(count: float) -> str:
    """A count as people say it: 70 k, 2.7 M, 473 M."""
    for limit, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if count >= limit:
            value = count / limit
            return f"{value:.0f}{unit}" if value >= 10 else f"{value:.1f}{unit}"
    return f"{count:.0f}"
