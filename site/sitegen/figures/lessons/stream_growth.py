"""The size of the stream after each branch of an untrained model, with and without the factor 1/√(2L)."""

from __future__ import annotations

import altair as alt
import pandas as pd

from sitegen.experiments.depth import deviation, untrained
from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field
from sitegen.figures.lessons.curves import curves
from sitegen.rows.results import Results
from sitegen.text.palette import Theme

FIELDS = (
    Field("series", "starting weights", POINT | TABLE),
    Field("depth", "branches passed", POINT | TABLE, "{:.0f}".format, type="Q"),
    Field("size", "standard deviation of the stream", POINT | TABLE, "{:.3f}".format, type="Q", format=".3f"),
)
_NAMES = {False: "0.02 everywhere", True: "0.02 / √(2L) into the stream"}


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """One row per kind of starting weights and depth."""
    return pd.DataFrame(
        [
            {"series": name, "depth": depth, "size": deviation(x)}
            for scaled, name in _NAMES.items()
            for depth, x in enumerate(untrained(scaled=scaled).stream)
        ]
    )


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Two lines over the depth."""
    x = alt.X("depth:Q", title="branches passed", scale=alt.Scale(nice=False), axis=alt.Axis(tickMinStep=1, grid=False))
    y = alt.Y("size:Q", title="standard deviation of the stream")
    return curves(rows, FIELDS, x, y, theme, (0.0, float(rows["size"].max()) * 1.05))


def headline(rows: pd.DataFrame) -> str:
    """Compare the last sizes of the two kinds of starting weights."""
    plain, scaled = (rows.loc[rows["series"] == name, "size"].iloc[-1] for name in _NAMES.values())
    return f"After {rows['depth'].max()} branches the stream's deviation is {plain:.3f}; scaled, {scaled:.3f}"


def describe(rows: pd.DataFrame) -> str:
    """Describe both ends of both lines."""
    parts = [
        f"{series}: from {group['size'].iloc[0]:.3f} to {group['size'].iloc[-1]:.3f}"
        for series, group in rows.groupby("series", sort=False)
    ]
    return f"Standard deviation of the stream over {rows['depth'].max()} branches. {'; '.join(parts)}."
