"""GELU and its derivative, from the library's forward and backward."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field
from sitegen.figures.lessons.curves import curves
from sitegen.rows.results import Results
from sitegen.text.palette import Theme
from tinygpt.layers import gelu, gelu_backward

_NAMES = ("GELU", "its derivative", "max(0, x)")
FIELDS = (
    Field("series", "line", POINT | TABLE),
    Field("x", "x", POINT | TABLE, "{:.2f}".format, type="Q", format=".2f"),
    Field("y", "y", POINT | TABLE, "{:.3f}".format, type="Q", format=".3f"),
)


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """Values from −4 to 4, every twentieth."""
    x = np.arange(-80, 81) / 20
    y, tanh = gelu(x)
    lines = (y, gelu_backward(np.ones_like(x), x, tanh), np.maximum(x, 0.0))
    return pd.concat(
        [pd.DataFrame({"series": name, "x": x, "y": line}) for name, line in zip(_NAMES, lines, strict=True)]
    )


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Three lines over x."""
    y = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=5))
    visible = rows[rows["y"] <= 3]  # each line as far as it is in the frame
    return curves(visible, FIELDS, alt.X("x:Q", title="x", scale=alt.Scale(nice=False)), y, theme, (-0.5, 3.0))


def tabulated(rows: pd.DataFrame) -> pd.DataFrame:
    """Every half."""
    return rows[rows["x"] * 2 % 1 == 0]


def headline(rows: pd.DataFrame) -> str:
    """State the lowest value and the largest slope."""
    curve, slope = (rows.loc[rows["series"] == name, "y"] for name in _NAMES[:2])
    return f"GELU dips to {curve.min():.2f}".replace("-", "−") + f", and its slope reaches {slope.max():.2f}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the extremes of both lines."""
    curve, slope = (rows[rows["series"] == name].set_index("x")["y"] for name in _NAMES[:2])
    return (
        f"GELU and its derivative over x. GELU is nearly 0 for very negative x and nearly x for large ones. Its "
        f"minimum is {curve.min():.2f}, at x = {curve.idxmin():.2f}. The derivative is {slope[0.0]:.2f} at 0, "
        f"negative to the left of the minimum, and at most {slope.max():.2f}, at x = {slope.idxmax():.2f}."
    )
