"""Axes, legends and line styles, the same in every figure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import altair as alt
import pandas as pd

from sitegen.rows.series import label_of, order_series, series_colors, series_shapes
from sitegen.text.palette import Theme
from tinygpt.presets import LADDER

HEIGHT = 380  # pixels of the plotting area
LABEL_WIDTH = 46  # pixels: room for the widest label of any choice, because a view keeps its first margin

# Sizes that differ by less than the first factor share a tick; by less than the second, they get short labels.
_SAME_SIZE, _CLOSE = 1.1, 1.7
_ENOUGH_TICKS = 4


def parameter_axis(rows: pd.DataFrame) -> alt.X:
    """The axis of model sizes: logarithmic, with a tick at each preset, labelled with name and parameter count."""
    present = sorted(set(rows["n_parameters"].dropna().astype(int)))
    names = {preset.model.n_parameters: name for name, preset in LADDER.items()}
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
        label = " · ".join(names.get(count, "") for count in group)
        # If the next preset is close, there is only room for the name.
        close = before * _CLOSE > group[0] or group[0] * _CLOSE > after
        labels[str(group[0])] = label if close else [label, short_count(group[0])]
    return alt.X(
        "n_parameters:Q",
        title="parameters of the model (log scale)",
        # Widened, so that a single preset has an axis too and no point lies on the frame.
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
    """The range of a logarithmic axis around the positive values, at least a factor of 2 wide.

    ``failures`` leaves room at the bottom for their crosses.
    """
    positive = values[values > 0].dropna()
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
    if high / low < 2:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(2), middle * math.sqrt(2)
    span = high / low
    return [low / span ** (0.18 if failures else 0.06), high * span**0.06]


# First digits of ticks, from the sparsest choice to the densest.
_MANTISSAS = (
    (1.0,),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0),
)


def log_ticks(domain: list[float]) -> list[float]:
    """Round ticks in a range above 0: the first of powers of ten, 1-2-5 and finer steps that gives enough of them."""
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
    """A logarithmic axis with round ticks; ``unit`` follows their labels."""
    axis = alt.Axis(
        values=log_ticks(domain),
        labelExpr="format(datum.value, ',~r')" + (f" + '{unit}'" if unit else ""),
        labelOverlap="greedy",
        minExtent=LABEL_WIDTH if channel is alt.Y else alt.Undefined,
    )
    return channel(f"{field}:Q", title=title, scale=alt.Scale(type="log", domain=domain, nice=False), axis=axis)


def view(domain: list[float], write: Callable[[float], str], ticks: Sequence[float] = ()) -> dict[str, Any]:
    """The axis of :func:`framed` for one choice of the reader; ``ticks`` are used if there are at least three."""
    shown = ticks if len(ticks) > 2 else log_ticks(domain)
    return {"low": domain[0], "high": domain[1], "ticks": [*shown], "texts": [write(tick) for tick in shown]}


def framed(field: str) -> alt.Y:
    """A logarithmic vertical axis with the range and ticks of the parameter ``frame``, one of the figure's views."""
    return alt.Y(
        f"{field}:Q",
        title=None,
        # Both ends are given, so that Vega does not look for an extent in layers that a choice leaves empty.
        scale=alt.Scale(type="log", nice=False, domain=[alt.ExprRef("frame.low"), alt.ExprRef("frame.high")]),
        axis=alt.Axis(
            values=alt.ExprRef("frame.ticks"),
            labelExpr="frame.texts[indexof(frame.ticks, datum.value)]",
            labelOverlap="greedy",
            minExtent=LABEL_WIDTH,
        ),
    )


def frame(views: Mapping[str, Mapping[str, Any]], choice: str) -> alt.Parameter:
    """The parameter ``frame``; ``choice`` is a Vega expression for the name of the view."""
    return alt.param(name="frame", expr=f"({json.dumps(views)})[{choice}]")


Look = TypeVar("Look", alt.Color, alt.Shape, alt.StrokeDash)


def by_name(channel: type[Look], field: str, names: Sequence[str], looks: Sequence[Any], **legend: Any) -> Look:
    """A colour, shape or line style for each name, cycling through ``looks``, with a legend below the chart."""
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

    ``listed`` is a Vega expression for the variants in the legend, where the reader chooses; all by default.
    """
    names = order_series(variants)
    labels = {name: label_of(name) for name in names}
    legend = {
        "columns": legend_columns([*labels.values()]),
        "symbolSize": 90,
        # Names come from results: JSON keeps them from being read as code.
        "labelExpr": f"({json.dumps(labels)})[datum.value]",
        "values": alt.Undefined if listed is None else listed,
    }
    color = by_name(alt.Color, "variant", names, series_colors(names, theme), **legend)
    return color, by_name(alt.Shape, "variant", names, series_shapes(names), **legend)


def legend_columns(labels: Sequence[str]) -> alt.ExprRef:
    """As many columns as fit side by side.

    ``room`` is a parameter that ``sitegen.figures.render`` adds: the width of the whole chart in pixels.
    """
    pixels = 30 + 6.5 * max((len(label) for label in labels), default=1)
    return alt.ExprRef(f"max(1, min({len(labels)}, floor((room - 60) / {pixels})))")


STROKE = MappingProxyType({"symbolType": "stroke", "symbolSize": 400})  # symbols in a legend of line styles
_DASHES = ([1, 0], [7, 4], [2, 3], [9, 3, 2, 3])


def dashes(rows: pd.DataFrame, field: str, **legend: Any) -> dict[str, Any]:
    """Encode a field as line style, if it has more than one value."""
    names = list(dict.fromkeys(rows[field]))
    if len(names) < 2:
        return {}
    return {"strokeDash": by_name(alt.StrokeDash, field, names, _DASHES, **{"columns": 1, **STROKE, **legend})}


def by_machine(rows: pd.DataFrame) -> dict[str, Any]:
    """Encodings that draw a line for each machine: machines are never pooled."""
    return {"detail": ["machine:N"], **dashes(rows, "machine", labelLimit=alt.ExprRef("room - 110"))}


def minutes_axis() -> alt.X:
    """The axis of a training run's minutes."""
    scale = alt.Scale(zero=True, nice=False)
    return alt.X("minutes:Q", title="minutes of training", scale=scale, axis=alt.Axis(tickCount=6))


def above(words: str | alt.ExprRef, theme: Theme) -> alt.Title:
    """The vertical axis' title, above it: there it takes no width, and may depend on the reader's choice."""
    return alt.Title(words, anchor="start", frame="group", offset=10, fontSize=12.5, color=theme.muted)


def short_count(count: float) -> str:
    """A short count: 70 k, 2.7 M, 473 M."""
    for limit, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if count >= limit:
            value = count / limit
            return f"{value:.0f}{unit}" if value >= 10 else f"{value:.1f}{unit}"
    return f"{count:.0f}"
