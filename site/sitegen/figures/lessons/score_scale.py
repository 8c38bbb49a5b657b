"""The number of positions that a query attends to, over the width of a head, with and without 1/√C."""

from __future__ import annotations

from dataclasses import asdict

import altair as alt
import pandas as pd

from sitegen.experiments.scores import POSITIONS, WIDTHS, random_scores
from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field
from sitegen.figures.lessons.curves import curves
from sitegen.rows.results import Results
from sitegen.text.palette import Theme

FIELDS = (
    Field("series", "scores", POINT | TABLE),
    Field("width", "width of a head", POINT | TABLE, "{:.0f}".format, type="Q"),
    Field(
        "positions", f"positions attended to, of {POSITIONS}", POINT | TABLE, "{:.1f}".format, type="Q", format=".1f"
    ),
    Field("deviation", "standard deviation of the scores", POINT | TABLE, "{:.2f}".format, type="Q", format=".2f"),
    Field("slope", "Σ A (1 − A), the slope of the weights", POINT | TABLE, "{:.2f}".format, type="Q", format=".2f"),
)


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """One row per width and form of the scores."""
    names = {True: "q · k / √C", False: "q · k"}
    found = [random_scores(width, scaled) for scaled in names for width in WIDTHS]
    return pd.DataFrame([{"series": names[scores.scaled], **asdict(scores)} for scores in found])


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Two lines over the width, which is logarithmic."""
    x = alt.X(
        "width:Q",
        title="width of a head, C (log scale)",
        scale=alt.Scale(type="log", base=2, nice=False),
        axis=alt.Axis(values=list(WIDTHS), grid=False),
    )
    y = alt.Y("positions:Q", title=f"positions attended to, of {POSITIONS}")
    return curves(rows, FIELDS, x, y, theme, (0.0, float(POSITIONS)))


def headline(rows: pd.DataFrame) -> str:
    """Compare the two forms at the largest width."""
    width = rows["width"].max()
    scaled, plain = (float(rows.loc[(rows["series"] == name) & (rows["width"] == width), "positions"].iloc[0])
                     for name in dict.fromkeys(rows["series"]))  # fmt: skip
    return (
        f"At a width of {width}, a query attends to {scaled:.1f} positions with the scale 1/√C, to {plain:.1f} without"
    )


def describe(rows: pd.DataFrame) -> str:
    """Describe both ends of both lines."""
    parts = []
    for series, group in rows.groupby("series", sort=False):
        first, last = group.iloc[0], group.iloc[-1]
        parts.append(
            f"{series}: {first['positions']:.1f} positions at a width of {first['width']}, {last['positions']:.1f} at "
            f"{last['width']}"
        )
    return f"Positions that a random query attends to, over the width of a head. {'; '.join(parts)}."
