"""Axes, legends and line styles: how a chart's scales look, the same way in every figure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import altair as alt
import pandas as pd

from sitegen.rows.series import label_of, order_series, series_colors, series_shapes
from sitegen.text.palette import Theme
from tinygpt.presets import PRESETS

HEIGHT = 380  # pixels of the plotting area
LABEL_WIDTH = 46  # pixels: room for the widest label of any choice, for a view keeps the margin of its first drawing

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


Channel = TypeVar("Channel", alt.X, alt.Y)


def log_scaled(channel: type[Channel], field: str, title: str, domain: list[float], unit: str = "") -> Channel:
    """A logarithmic axis with ticks that people count in; ``unit`` follows their labels."""
    axis = alt.Axis(
        values=log_ticks(domain),
        labelExpr="format(datum.value, ',~r')" + (f" + '{unit}'" if unit else ""),
        labelOverlap="greedy",
        minExtent=LABEL_WIDTH if channel is alt.Y else alt.Undefined,
    )
    return channel(f"{field}:Q", title=title, scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis)


def view(domain: list[float], ticks: Sequence[float], texts: Sequence[str]) -> dict[str, Any]:
    """What ``framed`` looks up for one choice of the reader: the axis' range, its ticks and their labels."""
    return {"low": domain[0], "high": domain[1], "ticks": [*ticks], "texts": [*texts]}


def framed(field: str) -> alt.Y:
    """A logarithmic vertical axis whose range and ticks follow the parameter ``frame``, one of the figure's views."""
    return alt.Y(
        f"{field}:Q",
        title=None,
        # Given as a whole, so that no extent is sought in layers that a choice leaves empty.
        scale=alt.Scale(type="log", nice=False, domain=[alt.ExprRef("frame.low"), alt.ExprRef("frame.high")]),
        axis=alt.Axis(
            values=alt.ExprRef("frame.ticks"),
            labelExpr="frame.texts[indexof(frame.ticks, datum.value)]",
            labelOverlap="greedy",
            minExtent=LABEL_WIDTH,
        ),
    )


def frame(views: Mapping[str, Mapping[str, Any]], choice: str) -> alt.Parameter:
    """The parameter ``frame``; ``choice`` is an expression for the name of the view."""
    return alt.param(name="frame", expr=f"({json.dumps(views)})[{choice}]")


Look = TypeVar("Look", alt.Color, alt.Shape, alt.StrokeDash)


def by_name(channel: type[Look], field: str, names: Sequence[str], looks: Sequence[Any], **legend: Any) -> Look:
    """A colour, shape or line style for each name, the looks in turn, with a legend below the chart."""
    shown = {"title": None, "orient": "bottom", "columns": legend_columns(names)} | legend
    return channel(
        f"{field}:N",
        scale=alt.Scale(domain=[*names], range=[looks[index % len(looks)] for index in range(len(names))]),
        legend=alt.Legend(**shown),
    )


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
    legend = {
        "columns": legend_columns([*labels.values()]),
        "symbolSize": 90,
        # Names come from results: as JSON they cannot be anything but strings.
        "labelExpr": f"({json.dumps(labels)})[datum.value]",
        "values": alt.Undefined if listed is None else listed,
    }
    color = by_name(alt.Color, "variant", names, series_colors(names, theme), **legend)
    return color, by_name(alt.Shape, "variant", names, series_shapes(names), **legend)


def legend_columns(labels: Sequence[str]) -> alt.ExprRef:
    """As many columns as fit side by side, on a phone as on a wide screen.

    ``room`` is a parameter that ``sitegen.figures.render`` adds: the width that the whole chart has, in pixels.
    """
    pixels = 30 + 6.5 * max((len(label) for label in labels), default=1)
    return alt.ExprRef(f"max(1, min({len(labels)}, floor((room - 60) / {pixels})))")


STROKE = MappingProxyType({"symbolType": "stroke", "symbolSize": 400})  # of a legend that explains line styles
_DASHES = ([1, 0], [7, 4], [2, 3], [9, 3, 2, 3])


def dashes(rows: pd.DataFrame, field: str, **legend: Any) -> dict[str, Any]:
    """The encoding of lines by style, only where there is more than one name."""
    names = list(dict.fromkeys(rows[field]))
    if len(names) < 2:
        return {}
    return {"strokeDash": by_name(alt.StrokeDash, field, names, _DASHES, **{"columns": 1, **STROKE, **legend})}


def by_machine(rows: pd.DataFrame) -> dict[str, Any]:
    """The encodings of lines that keep machines apart: they stand side by side, never pooled."""
    return {"detail": ["machine:N"], **dashes(rows, "machine", labelLimit=alt.ExprRef("room - 110"))}


def above(words: str | alt.ExprRef, theme: Theme) -> alt.Title:
    """The vertical axis' title, written above it: it can follow the reader's choice there, and takes no width."""
    return alt.Title(words, anchor="start", frame="group", offset=10, fontSize=12.5, color=theme.muted)


def short_count(count: float) -> str:
    """A count as people say it: 70 k, 2.7 M, 473 M."""
    for limit, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if count >= limit:
            value = count / limit
            return f"{value:.0f}{unit}" if value >= 10 else f"{value:.1f}{unit}"
    return f"{count:.0f}"
