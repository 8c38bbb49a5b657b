"""The gradient of the stream at each depth of an untrained model, with and without residuals and norms."""

from __future__ import annotations

import altair as alt
import pandas as pd

from sitegen.experiments.depth import length, likeness, untrained
from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field
from sitegen.figures.lessons.curves import curves
from sitegen.rows.results import Results
from sitegen.text.palette import Theme

FIELDS = (
    Field("series", "a branch", POINT | TABLE),
    Field("depth", "branches passed", POINT | TABLE, "{:.0f}".format, type="Q"),
    Field("gradient", "norm of the gradient", POINT | TABLE, "{:.2g}".format, type="Q", format=".2g"),
    Field("likeness", "mean cosine between two positions", POINT | TABLE, "{:.3f}".format, type="Q", format=".3f"),
)
_NAMES = {
    (True, True): "norm and residual",
    (False, True): "norm, no residual",
    (False, False): "neither",
}


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """One row per kind of branch and depth."""
    rows = []
    for (residual, norms), name in _NAMES.items():
        walk = untrained(residual, norms)
        for depth, (x, dx) in enumerate(zip(walk.stream, walk.gradient, strict=True)):
            rows.append({"series": name, "depth": depth, "gradient": length(dx), "likeness": likeness(x)})
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Three lines over the depth; the vertical axis is logarithmic."""
    x = alt.X("depth:Q", title="branches passed", scale=alt.Scale(nice=False), axis=alt.Axis(tickMinStep=1, grid=False))
    y = alt.Y(
        "gradient:Q",
        title="norm of the gradient (log scale)",
        axis=alt.Axis(labelExpr="datum.value == 1 ? '1' : format(datum.value, '.0e')", tickCount=6),
    )
    low, high = float(rows["gradient"].min()), float(rows["gradient"].max())
    return curves(rows, FIELDS, x, y, theme, (low / 10, high * 10), log=True)


def headline(rows: pd.DataFrame) -> str:
    """Compare the gradients that reach the embedding."""
    first = rows[rows["depth"] == 0].set_index("series")["gradient"]
    kept, lost = first[_NAMES[True, True]], first[_NAMES[False, False]]
    return (
        f"With norms and residuals a gradient of {kept:.2g} reaches the embedding; without either, {lost:.0e}".replace(
            "e-", "e−"
        )
    )


def describe(rows: pd.DataFrame) -> str:
    """Describe the gradient at both ends of each line."""
    parts = [
        f"{series}: {group['gradient'].iloc[-1]:.2g} at the end, {group['gradient'].iloc[0]:.2g} at the embedding"
        for series, group in rows.groupby("series", sort=False)
    ]
    return f"Norm of the stream's gradient over {rows['depth'].max()} branches. {'; '.join(parts)}."
