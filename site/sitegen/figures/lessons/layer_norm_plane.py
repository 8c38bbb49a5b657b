"""The projections of layer norm: three numbers a position, seen along the direction (1, 1, 1).

Subtracting the mean moves x into the plane at right angles to (1, 1, 1), which is the drawing's. Dividing by the
deviation moves it to the circle of radius √3. The backward takes the part of a gradient that lies along this circle.
"""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import pandas as pd

from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field, exported, tooltip
from sitegen.rows.results import Results
from sitegen.text.palette import Theme
from tinygpt.layers import layer_norm, layer_norm_backward
from tinygpt.terminal import quantities

# The third row is twice the second one, and 5 higher: it has the same result.
X = np.array([[0.1, 1.0, 1.0], [1.0, 0.4, 0.5], [7.0, 5.8, 6.0], [-0.8, 1.7, -0.9]])
GRADIENT = np.array([[0.9, 0.1, 0.6], [0.2, -0.5, 0.3], [0.2, -0.5, 0.3], [0.7, -0.5, -0.8]])
_AXES = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]) / np.sqrt([[2.0], [6.0]])  # of the plane
_HALF = 2.4  # of the drawing's height, in units of the plane
_FORWARD, _GIVEN, _KEPT = (
    "division by the deviation",
    "the output's gradient, without its mean",
    "what the backward keeps of it",
)
FIELDS = (
    Field("kind", "arrow", POINT | TABLE),
    Field("row", "row", POINT | TABLE, "{:.0f}".format),
    Field("numbers", "numbers", POINT | TABLE),
    *exported("x", "y", "x2", "y2", "angle"),
)


def projections() -> dict[str, np.ndarray]:
    """The rows after each step of the library's forward and backward, (4, 3) each."""
    ones = np.ones(3)
    x_hat, cache = layer_norm(X, ones, 0 * ones, eps=0.0)
    dx, _, _ = layer_norm_backward(GRADIENT, ones, cache)
    centred = X - X.mean(axis=-1, keepdims=True)
    return {
        "centred": centred,
        "normalised": x_hat,
        "gradient": GRADIENT - GRADIENT.mean(axis=-1, keepdims=True),
        "kept": dx / cache[1],  # without the factor r
    }


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """One row per arrow."""
    found = projections()
    arrows = {
        _FORWARD: (found["centred"], found["normalised"]),
        _GIVEN: (found["normalised"], found["normalised"] + found["gradient"]),
        _KEPT: (found["normalised"], found["normalised"] + found["kept"]),
    }
    rows = []
    for kind, (starts, ends) in arrows.items():
        for row, (start, end) in enumerate(zip(starts @ _AXES.T, ends @ _AXES.T, strict=True), 1):
            moved = end - start
            rows.append(
                {
                    "kind": kind,
                    "row": row,
                    "numbers": _written(ends[row - 1] if kind == _FORWARD else (ends - starts)[row - 1]),
                    **dict(zip(("x", "y", "x2", "y2"), (*start, *end), strict=True)),
                    "angle": math.degrees(math.atan2(moved[0], moved[1])),  # of a triangle that points up
                }
            )
    return pd.DataFrame(rows)


def _written(row: np.ndarray) -> str:
    return ", ".join(f"{value + 0.0:.2f}".replace("-", "−") for value in row)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Arrows in the plane, and the circle; both axes have one scale."""
    wide = f"{_HALF} * width / height"
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[alt.ExprRef(f"-({wide})"), alt.ExprRef(wide)], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-_HALF, _HALF], nice=False))
    turn = np.linspace(0, 2 * np.pi, 73)
    ring = pd.DataFrame({"x": np.sqrt(3) * np.cos(turn), "y": np.sqrt(3) * np.sin(turn), "order": range(len(turn))})
    circle = alt.Chart(ring).mark_line(color=theme.muted, strokeWidth=1.2).encode(x=x, y=y, order="order:Q")
    centre = alt.Chart(pd.DataFrame({"x": [0.0], "y": [0.0]}))
    kinds = [_FORWARD, _GIVEN, _KEPT]
    color = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=kinds, range=[theme.engines["numpy"], theme.muted, theme.engines["vectorized"]]),
        legend=alt.Legend(title=None, orient="bottom", columns=1, symbolType="stroke", symbolSize=400),
    )
    chart = alt.Chart(rows)
    ends = {"x": alt.X("x2:Q", axis=None), "y": alt.Y("y2:Q", axis=None)}
    starts = chart.transform_filter(f"datum.kind == '{_FORWARD}'")
    return alt.layer(
        circle,
        centre.mark_point(shape="cross", color=theme.muted, size=60, filled=True).encode(x=x, y=y),
        chart.mark_rule(strokeWidth=2.2).encode(x=x, y=y, x2="x2:Q", y2="y2:Q", color=color),
        chart.mark_point(shape="triangle-up", filled=True, size=75, opacity=1).encode(
            **ends, color=color, angle=alt.Angle("angle:Q", scale=None), tooltip=tooltip(FIELDS)
        ),
        starts.mark_point(size=60, filled=False, fill=theme.background, strokeWidth=2, opacity=1).encode(
            x=x, y=y, color=color, tooltip=tooltip(FIELDS)
        ),
        starts.mark_text(color=theme.ink, fontSize=12.5, dy=-12).encode(x=x, y=y, text="row:N"),
    ).properties(height=380)


def headline(rows: pd.DataFrame) -> str:
    """Name the rows that layer norm makes equal."""
    ends = rows[rows["kind"] == _FORWARD].groupby("numbers", sort=False)["row"].agg(list)
    equal = next((same for same in ends if len(same) > 1), [])
    return f"Layer norm removes shift and factor: rows {quantities.listed(map(str, equal))} become one point"


def describe(rows: pd.DataFrame) -> str:
    """Describe where each row ends and what is left of its gradient."""
    ends = rows[rows["kind"] == _FORWARD]
    kept = rows[rows["kind"] == _KEPT].set_index("row")["numbers"]
    parts = [
        f"row {row} becomes {numbers}, and keeps {kept[row]} of its gradient"
        for row, numbers in zip(ends["row"], ends["numbers"], strict=True)
    ]
    return f"Layer norm of rows of three numbers, seen along (1, 1, 1). {'; '.join(parts)}."
