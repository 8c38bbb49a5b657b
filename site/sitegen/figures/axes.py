"""Axes, legends and the look of variants, the same in every figure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar, cast

import altair as alt
import numpy as np
import pandas as pd

from sitegen.figures.grammar.line_names import LineNames
from sitegen.rows.series import is_rival, label_of, order_series, series_colors, series_shapes
from sitegen.text.palette import Theme
from tinygpt.presets import LADDER

HEIGHT = 380  # pixels of the plotting area
_SIZES = frozenset(preset.model.n_parameters for preset in LADDER.values())
LABEL_WIDTH = 46  # pixels: room for the widest label of any choice, because a view keeps its first margin

# The least distance of two presets on the axis of sizes, in powers of ten. Two of about one size would be one place,
# and every line through both would have a jog.
_SPREAD = 0.36
_ENOUGH_TICKS = 4
_ROOMY = 0.45  # presets that are this far from both neighbours have their parameter count below their name
_NAME = 46  # pixels of the longest preset's name, with a gap
_LINES = ((0,), (0, 1), (0, 2, 1), (0, 2, 1, 3))  # of successive names, on one to four lines
_BLANK = "\N{ZERO WIDTH SPACE}"  # Vega trims blanks, and a line without a character has no height


def at_size(rows: pd.DataFrame) -> pd.DataFrame:
    """Add ``at_size``, the place on the axis of sizes: log10(parameters), with close presets spread."""
    sizes = _sizes(rows)
    places = np.interp(np.log10(rows["n_parameters"].astype(float)), np.log10(sizes), spread(sizes))
    return rows.assign(at_size=places)


def _sizes(rows: pd.DataFrame) -> list[int]:
    """The sizes in some rows that get a place: the ladder's, and those beyond its ends; others lie between two."""
    present = set(rows["n_parameters"].dropna().astype(int))
    ladder = present & _SIZES or present
    return sorted(ladder | {size for size in present if not min(ladder) <= size <= max(ladder)})


def spread(sizes: Sequence[int]) -> list[float]:
    """Places of sizes in ascending order: log10, and never closer than ``_SPREAD``."""
    places = [round(math.log10(sizes[0]), 4)]
    for before, size in pairwise(sizes):
        places.append(round(places[-1] + max(math.log10(size / before), _SPREAD), 4))
    return places


def parameter_axis(rows: pd.DataFrame, names: LineNames) -> alt.X:
    """The axis of model sizes, for rows of :func:`at_size`: a tick at each preset, with name and parameter count.

    Where a name does not fit between its neighbours, names are on two to four lines. ``names`` has the room at the
    right edge.
    """
    present = _sizes(rows)
    presets = {preset.model.n_parameters: name for name, preset in LADDER.items()}
    ticks = spread(present)
    gaps = [math.inf, *(after - before for before, after in pairwise(ticks)), math.inf]
    labels: list[list[list[str]]] = [[] for _ in _LINES]
    position = 0  # after the last name with a count below it, which the next one avoids
    for count, *sides in zip(present, gaps, gaps[1:], strict=False):
        name = presets.get(count, short_count(count))
        position = 0 if min(sides) > _ROOMY else position + 1
        for lines, shown in zip(_LINES, labels, strict=True):
            if position:
                shown.append([*[_BLANK] * lines[position % len(lines)], name])
            else:
                shown.append([name, short_count(count), *[_BLANK] * (max(3, len(lines)) - 2)])  # a constant height
    domain = [ticks[0] - 0.15, ticks[-1] + 0.15]
    gap = f"(width - {names.room}) * {min(gaps[1:-1], default=1.0) / (domain[1] - domain[0]):.4f}"
    n_lines = f"clamp(ceil({_NAME} / ({gap})), 1, {len(_LINES)})"
    return alt.X(
        "at_size:Q",
        title="parameters (log scale, close ones spread)",
        # Widened, so that a single preset has an axis too and no point lies on the frame.
        scale=alt.Scale(domain=domain, range=names.range, nice=False, zero=False),
        axis=alt.Axis(
            values=ticks,
            labelExpr=f"({json.dumps(labels, ensure_ascii=False)})[{n_lines} - 1][indexof({ticks}, datum.value)]",
            # A view keeps its first margin: four lines of small letters are as high as three of large ones.
            labelFontSize=alt.ExprRef(f"{n_lines} > 3 ? 10.5 : 12"),
            labelLineHeight=alt.ExprRef(f"{n_lines} > 3 ? 10.5 : 14"),
            labelOverlap=False,
            titleAnchor="start",
            grid=False,
        ),
    )


def log_domain(values: pd.Series, strips: int = 0) -> list[float]:
    """The range of a logarithmic axis around the positive values, at least a factor of 2 wide.

    ``strips`` is the number of rows of crosses and texts that need room at the bottom.
    """
    positive = values[values > 0].dropna()
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 1.0)
    if high / low < 2:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(2), middle * math.sqrt(2)
    span = high / low
    return [low / span ** (0.06 + 0.1 * strips), high * span**0.06]


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


def log_scaled(
    channel: type[Channel], field: str, title: str, domain: list[float], unit: str = "", **scale: Any
) -> Channel:
    """A logarithmic axis with round ticks; ``unit`` follows their labels; ``scale`` is added to its scale."""
    axis = alt.Axis(
        values=log_ticks(domain),
        labelExpr="format(datum.value, ',~r')" + (f" + '{unit}'" if unit else ""),
        labelOverlap="greedy",
        labelSeparation=4,
        minExtent=LABEL_WIDTH if channel is alt.Y else alt.Undefined,
    )
    return channel(
        f"{field}:Q", title=title, scale=alt.Scale(type="log", domain=domain, nice=False, **scale), axis=axis
    )


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


Named = TypeVar("Named", alt.Color, alt.Shape)


def by_name(
    channel: type[Named], field: str, names: Sequence[str], looks: Sequence[Any], legend: bool = True, **shown: Any
) -> Named:
    """A colour or shape for each name, cycling through ``looks``; a legend is below the chart."""
    place = {"title": None, "orient": "bottom", "columns": legend_columns(names), "symbolOpacity": 1}
    place |= {"labelLimit": alt.ExprRef("room - 80")}  # a label ends with a sign where a phone has no room for it
    return channel(
        f"{field}:N",
        scale=alt.Scale(domain=[*names], range=[looks[index % len(looks)] for index in range(len(names))]),
        legend=alt.Legend(**place | shown) if legend else None,
    )


@dataclass(frozen=True)
class Look:
    """Look of variants.

    Attributes:
        color: a rival's is grey until a reader points at it, where there are engines to compare it with.
        full: the colour alone; of failures, which keep it.
        shape: of points.
        names: at the ends of lines.
    """

    color: Any
    full: alt.Color
    shape: Any
    names: LineNames


def variant_look(variants: Iterable[str], theme: Theme) -> Look:
    """Colour, shape and name by engine variant."""
    names = order_series(variants)
    own = [name for name in names if not is_rival(name)]
    full = by_name(alt.Color, "variant", names, series_colors(names, theme), legend=False)
    return Look(
        pointed("variant", own, full, theme) if own else full,
        full,
        by_name(alt.Shape, "variant", names, series_shapes(names), legend=False),
        LineNames("variant", {name: label_of(name) for name in names}),
    )


def pointed(field: str, own: Sequence[str], color: alt.Color, theme: Theme) -> Any:
    """Grey for all but a chart's ``own`` lines, and the one at which the reader points (``figure.js``)."""
    shown = f"datum.{field} === pointed || indexof({json.dumps([*own])}, datum.{field}) >= 0"
    # An object: Altair would look for the class of a dictionary again in every layer.
    return alt.ColorValue(theme.rival, condition={"test": shown} | cast(dict[str, Any], color.to_dict()))


def legend_columns(labels: Sequence[str]) -> alt.ExprRef:
    """As many columns as fit side by side.

    ``room`` is a parameter that ``sitegen.figures.render`` adds: the width of the whole chart in pixels.
    """
    pixels = 30 + 6.5 * max((len(label) for label in labels), default=1)
    return alt.ExprRef(f"max(1, min({len(labels)}, floor((room - 60) / {pixels})))")


def minutes_axis(**scale: Any) -> alt.X:
    """The axis of a training run's minutes; ``scale`` replaces properties of its scale."""
    shown = alt.Scale(**{"zero": True, "nice": False} | scale)
    return alt.X("minutes:Q", title="minutes of training", scale=shown, axis=alt.Axis(tickCount=6))


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
