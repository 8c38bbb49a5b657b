"""Layers that figures share: values with intervals, projections and failures, and lines to compare them with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from sitegen.text.palette import Theme

# ✕ as a path in Vega's unit square: a failure is never mistaken for a measured point.
FAILURE_SHAPE = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"
# Measured from the bottom edge, because a fixed pixel would float when the height changes. ``slot`` stacks the failures
# of one preset, so that none hides another.
ABOVE_THE_EDGE = alt.value(alt.ExprRef("height - 8 - 15 * datum.slot"))


@dataclass(frozen=True)
class Values:
    """Values with intervals, the same in every figure: a bar and a point, hollow if projected, a cross if failed.

    Attributes:
        place: encodings of position: x, y and offsets.
        color: encoding of colour.
        shape: encoding of shape.
        tooltip: of the points.
        ends: fields of the interval's ends; without them there are no bars.
        axis: "x" or "y", the axis of the values.
        size: of a point.
        bar: width of a bar in pixels.
    """

    place: Mapping[str, Any]
    color: alt.Color
    tooltip: list[alt.Tooltip]
    shape: alt.Shape | Any = alt.Undefined
    ends: tuple[str, str] | None = None
    axis: str = "y"
    size: int = 80
    bar: float = 1.6

    def line(self, chart: alt.Chart, **encodings: Any) -> alt.Chart:
        """Lines through the values."""
        return chart.mark_line(strokeWidth=2.2, opacity=0.9).encode(**self.place, color=self.color, **encodings)

    def bars(self, chart: alt.Chart, **mark: Any) -> alt.Chart:
        """Bars over the intervals, where there are any."""
        assert self.ends is not None
        low, high = self.ends
        chart = chart.transform_filter(f"isValid(datum['{low}'])")
        across = {self.axis: type(self.place[self.axis])(f"{low}:Q"), f"{self.axis}2": f"{high}:Q"}
        look = {"strokeWidth": self.bar, "opacity": 0.8} | mark
        return chart.mark_rule(**look).encode(**{**self.place, **across}, color=self.color)

    def points(self, chart: alt.Chart, filled: alt.FillOpacity | None = None) -> alt.Chart:
        """Points at the values; ``filled`` makes some paler."""
        full = chart.mark_point(filled=True, size=self.size, opacity=1)
        return full.encode(
            **self.place,
            color=self.color,
            shape=self.shape,
            fillOpacity=filled or alt.Undefined,
            tooltip=self.tooltip,
        )

    def outlines(self, chart: alt.Chart, theme: Theme, width: float = 1.6, **encodings: Any) -> alt.Chart:
        """Hollow points, filled with the background so that they hide the line behind them."""
        hollow = chart.mark_point(filled=False, fill=theme.background, size=self.size, strokeWidth=width, opacity=1)
        return hollow.encode(**self.place, color=self.color, shape=self.shape, **encodings)

    def measured(self, chart: alt.Chart) -> list[alt.Chart]:
        """Bars and points."""
        return [*([self.bars(chart)] if self.ends else []), self.points(chart)]

    def projected(self, chart: alt.Chart, theme: Theme, tooltip: list[alt.Tooltip]) -> list[alt.Chart]:
        """Projections, dashed and hollow with a band, so that none is taken for a measurement.

        The column ``bridge`` marks the rows that the dashed lines connect.
        """
        points = chart.transform_filter("datum.state == 'projected'")
        dashed = chart.transform_filter("datum.bridge").mark_line(strokeWidth=1.6, opacity=0.85, strokeDash=[5, 4])
        return [
            dashed.encode(**self.place, color=self.color, detail=["machine:N"]),
            self.bars(points, strokeWidth=8, opacity=0.22),
            self.outlines(points, theme, width=1.8, tooltip=tooltip),
        ]

    def failed(self, chart: alt.Chart, rows: pd.DataFrame, tooltip: list[alt.Tooltip], **place: Any) -> list[alt.Chart]:
        """Crosses for failures at an edge, by default the bottom; no layer if none of the chart's rows failed."""
        if not (rows["state"] == "failed").any():
            return []
        crosses = chart.transform_filter("datum.state == 'failed'").mark_point(
            shape=FAILURE_SHAPE, size=80, strokeWidth=2.4, opacity=1
        )
        edge = place or {"y": ABOVE_THE_EDGE}
        return [crosses.encode(**{**self.place, **edge}, color=self.color, tooltip=tooltip)]

    def below(self, chart: alt.Chart, slot: str) -> alt.Chart:
        """Values that are too small for the axis, as texts along the bottom edge; the field ``slot`` stacks them."""
        edge = alt.value(alt.ExprRef(f"height - 10 - 15 * datum.{slot}"))
        return chart.mark_text(align="left", dx=-5, baseline="middle", fontSize=11).encode(
            **{**self.place, "y": edge}, text="edge_text:N", color=self.color, tooltip=self.tooltip
        )


def reference_line(
    field: str,
    value: float,
    theme: Theme,
    words: str | alt.ExprRef = "",
    y: alt.Y | None = None,
    condition: str = "",
    **rule: Any,
) -> list[alt.Chart]:
    """A dashed line across the chart at a value, with words at its right end.

    Args:
        field: name of the value in the line's data.
        value: position of the line.
        theme: gives the colour.
        words: above the line.
        y: the axis, if no other layer defines it.
        condition: Vega expression, true while the line is shown.
        rule: further properties of the mark.
    """
    chart = alt.Chart(pd.DataFrame({field: [value]}))
    if condition:
        chart = chart.transform_filter(condition)
    y = y or alt.Y(f"{field}:Q")
    line = chart.mark_rule(**{"color": theme.muted, "strokeDash": [3, 3]} | rule).encode(y=y)
    if not words:
        return [line]
    label = chart.mark_text(align="right", dy=-7, color=theme.muted, text=words)
    return [line, label.encode(y=y, x=alt.value(alt.ExprRef("width")))]
