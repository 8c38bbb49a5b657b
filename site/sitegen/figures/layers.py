"""Layers that figures share: values with intervals, projections and failures, and lines to compare them with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from sitegen.figures.axes import Look
from sitegen.figures.grammar.line_names import LineNames
from sitegen.text.palette import Theme

# ✕ as a path in Vega's unit square: a failure is never mistaken for a measured point.
FAILURE_SHAPE = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"
# Measured from the bottom edge, because a fixed pixel would float when the height changes. ``slot`` stacks the failures
# of one preset, so that none hides another.
# `alt.YValue` and not `alt.value`, whose class Altair would look for again in every layer.
ABOVE_THE_EDGE = alt.YValue(alt.ExprRef("height - 8 - 15 * datum.slot"))


@dataclass(frozen=True)
class Values:
    """Values with intervals, the same in every figure.

    Solid is measured and dashed is projected. A band is an interval. A full point is stable, a hollow one is not. A
    cross is a failure.

    Attributes:
        place: encodings of position: x, y and offsets.
        look: colour, shape and names.
        tooltip: of the points.
        ends: fields of the interval's ends; without them there are no bands.
        axis: "x" or "y", the axis of the values.
        size: of a point.
    """

    place: Mapping[str, Any]
    look: Look
    tooltip: list[alt.Tooltip]
    ends: tuple[str, str] | None = None
    axis: str = "y"
    size: int = 80

    def line(self, chart: alt.Chart, **encodings: Any) -> alt.Chart:
        """Lines through the values."""
        return chart.mark_line(strokeWidth=2.2, opacity=0.9).encode(**self.place, color=self.look.color, **encodings)

    def bands(self, chart: alt.Chart) -> alt.Chart:
        """Bands over the intervals, where there are any."""
        assert self.ends is not None
        low, high = self.ends
        chart = chart.transform_filter(f"isValid(datum['{low}'])")
        other = alt.X2 if self.axis == "x" else alt.Y2
        across = {self.axis: type(self.place[self.axis])(f"{low}:Q"), f"{self.axis}2": other(f"{high}:Q")}
        band = chart.mark_rule(strokeWidth=7, opacity=0.3)
        return band.encode(**{**self.place, **across}, color=self.look.color)

    def points(self, chart: alt.Chart) -> alt.Chart:
        """Full points at the values."""
        full = chart.mark_point(filled=True, size=self.size, opacity=1)
        return full.encode(**self.place, color=self.look.color, shape=self.look.shape, tooltip=self.tooltip)

    def hollow(self, chart: alt.Chart, theme: Theme) -> alt.Chart:
        """Hollow points, filled with the background so that they hide the line behind them."""
        mark = chart.mark_point(filled=False, fill=theme.background, size=self.size, strokeWidth=1.7, opacity=1)
        return mark.encode(**self.place, color=self.look.color, shape=self.look.shape, tooltip=self.tooltip)

    def measured(self, chart: alt.Chart) -> list[alt.Chart]:
        """Bands and full points."""
        return [*([self.bands(chart)] if self.ends else []), self.points(chart)]

    def by_verdict(self, chart: alt.Chart, theme: Theme) -> list[alt.Chart]:
        """Bands and points, hollow where the column ``verdict`` says neither stable nor that a best round counts."""
        steady = "indexof(['stable', 'best round'], datum.verdict) >= 0"
        return [
            self.bands(chart),
            self.hollow(chart.transform_filter(f"!({steady})"), theme),
            self.points(chart.transform_filter(steady)),
        ]

    def projected(self, chart: alt.Chart, tooltip: list[alt.Tooltip]) -> list[alt.Chart]:
        """Projections: dashed lines with bands, and a stroke instead of a point.

        The column ``bridge`` marks the rows that the dashed lines connect.
        """
        points = chart.transform_filter("datum.state == 'projected'")
        dashed = chart.transform_filter("datum.bridge").mark_line(strokeWidth=1.6, opacity=0.85, strokeDash=[5, 4])
        stroke = points.mark_point(shape="stroke", size=140, strokeWidth=2.2, opacity=1)
        return [
            dashed.encode(**self.place, color=self.look.color),
            self.bands(points),
            stroke.encode(**self.place, color=self.look.color, tooltip=tooltip),
        ]

    def failed(self, chart: alt.Chart, rows: pd.DataFrame, tooltip: list[alt.Tooltip], **place: Any) -> list[alt.Chart]:
        """Crosses for failures at an edge, by default the bottom; no layer if none of the chart's rows failed."""
        if not (rows["state"] == "failed").any():
            return []
        crosses = chart.transform_filter("datum.state == 'failed'").mark_point(
            shape=FAILURE_SHAPE, size=80, strokeWidth=2.4, opacity=1
        )
        edge = place or {"y": ABOVE_THE_EDGE}
        return [crosses.encode(**{**self.place, **edge}, color=self.look.full, tooltip=tooltip)]

    def below(self, chart: alt.Chart, slot: str, **place: Any) -> alt.Chart:
        """Values that are too small for the axis, as texts along the bottom edge; the field ``slot`` stacks them."""
        edge = alt.YValue(alt.ExprRef(f"height - 10 - 15 * datum.{slot}"))
        return chart.mark_text(align="left", dx=-5, baseline="middle", fontSize=11).encode(
            **{**self.place, "y": edge, **place},
            text=alt.Text("edge_text:N"),
            color=self.look.color,
            tooltip=self.tooltip,
        )

    def names(self, chart: alt.Chart, level: str, theme: Theme) -> list[alt.Chart]:
        """Names at the ends of the lines; ``level`` is a Vega expression of a row's pixels from the top."""
        return self.look.names.layers(chart, self.place, self.look.color, level, theme)


def limit(chart: alt.Chart, place: Mapping[str, Any], edge: str, theme: Theme, at: str, words: str) -> list[alt.Chart]:
    """A labelled grey band that no engine can enter, between the rows' values and an edge of the chart.

    Args:
        chart: the rows of the limit.
        place: encodings of x and y.
        edge: Vega expression of the edge's pixels from the top.
        theme: gives the colours.
        at: Vega expression of the label's pixels from the top.
        words: of the label, which ends where the band does.
    """
    y = place["y"].copy()
    y.stack = None  # or Vega-Lite would stack the areas from zero
    band = chart.mark_area(color=theme.limit, opacity=1, tooltip=None).encode(
        x=place["x"], y=y, y2=alt.Y2Value(alt.ExprRef(edge))
    )
    end = place["x"].copy()  # with its axis: a second one without would thin out the labels of both
    end.shorthand = "end:Q"
    last = f"max({place['x'].to_dict()['field']})"
    shown = chart.transform_aggregate(end=last).transform_filter("isValid(datum.end)")
    label = shown.mark_text(align="right", dx=-6, baseline="middle", color=theme.muted, fontSize=11.5, text=words)
    return [band, label.encode(x=end, y=alt.YValue(alt.ExprRef(at)))]


def reference_line(
    field: str,
    value: float,
    theme: Theme,
    words: str = "",
    y: alt.Y | None = None,
    condition: str = "",
    names: LineNames | None = None,
) -> list[alt.Chart]:
    """A thin grey line across the chart at a value, with words at its left end.

    Args:
        field: name of the value in the line's data.
        value: position of the line.
        theme: gives the colour.
        words: above the line.
        y: the axis, if no other layer defines it.
        condition: Vega expression, true while the line is shown.
        names: have the room at the right edge, where the line ends.
    """
    chart = alt.Chart(pd.DataFrame({field: [value]}))
    if condition:
        chart = chart.transform_filter(condition)
    y = y or alt.Y(f"{field}:Q")
    end = alt.X2Value(alt.ExprRef("width" if names is None else f"width - {names.room}"))
    line = chart.mark_rule(color=theme.muted, strokeWidth=1, tooltip=None).encode(y=y, x=alt.XValue(0), x2=end)
    if not words:
        return [line]
    label = chart.mark_text(align="left", dx=4, dy=9, color=theme.muted, fontSize=11.5, text=words)
    return [line, label.encode(y=y, x=alt.XValue(0))]
