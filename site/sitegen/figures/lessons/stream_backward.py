"""The way of the gradient along the stream of a trained model, from the loss up to the embedding."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from sitegen.experiments.depth import length, trained
from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field, tooltip
from sitegen.rows.results import Results
from sitegen.text.palette import Theme

_STEP = 56  # pixels from one depth to the next
_STREAM, _BOX, _BOX_HALF = 0.36, 0.74, 0.16  # places across the chart
FIELDS = (
    Field("depth", "branches passed", POINT | TABLE, "{:.0f}".format, type="Q"),
    Field("place", "place", POINT | TABLE),
    Field("gradient", "norm of dx here", TABLE, "{:.3f}".format),
    Field("gradient_text", "norm of dx here", POINT, derive=lambda rows: map("{:.3f}".format, rows["gradient"])),
    Field("branch", "branch after it", POINT | TABLE),
    Field("added", "norm of what the branch adds", TABLE, "{:.3f}".format),
    Field("added_text", "norm of what the branch adds", POINT),
)


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """One row per depth."""
    walk = trained()
    rows = []
    for depth, dx in enumerate(walk.gradient):
        is_last = depth == len(walk.added)
        added = None if is_last else length(walk.added[depth])
        rows.append(
            {
                "depth": depth,
                "place": "embedding" if depth == 0 else "last norm" if is_last else "stream",
                "gradient": length(dx),
                "branch": "" if is_last else f"{('attention', 'MLP')[depth % 2]} {depth // 2 + 1}",
                "added": added,
                "added_text": "" if added is None else f"+ {added:.3f}",
            }
        )
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """The stream as a vertical line, a box for each branch beside it, and arrows that point up."""
    last = int(rows["depth"].max())
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[last + 0.35, -0.35], nice=False))
    boxes = rows[rows["branch"] != ""].assign(
        x=_BOX - _BOX_HALF,
        x2=_BOX + _BOX_HALF,
        y=lambda frame: frame["depth"] + 0.28,
        y2=lambda frame: frame["depth"] + 0.72,
    )
    corners = [
        {"depth": depth, "order": order, "x": x, "y": depth + y}
        for depth in boxes["depth"]
        for order, (x, y) in enumerate([(_STREAM, 0.88), (_BOX, 0.88), (_BOX, 0.12), (_STREAM, 0.12)])
    ]
    heads = [{"x": _STREAM, "y": depth - 0.42} for depth in range(1, last + 1)]
    heads += [{"x": _BOX, "y": depth + 0.77} for depth in boxes["depth"]]
    own, side = theme.engines["vectorized"], theme.engines["numpy"]
    paths, arrows = alt.Chart(pd.DataFrame(corners)), alt.Chart(pd.DataFrame(heads))
    stream = alt.Chart(pd.DataFrame({"x": [_STREAM], "y": [0], "y2": [last]}))
    nodes = alt.Chart(rows.assign(x=_STREAM, y=rows["depth"]))
    blocks = alt.Chart(boxes)
    middle = blocks.transform_calculate(x=str(_BOX), y="datum.depth + 0.5")
    joins = blocks.transform_calculate(x=str(_STREAM), y="datum.depth + 0.12")
    left = {"x": x, "y": y}
    words: dict[str, Any] = {"align": "right", "dx": -12, "color": theme.ink, "fontSize": 13}
    ends = nodes.transform_filter("datum.place != 'stream'").transform_calculate(
        words="datum.place + ': ' + datum.gradient_text"
    )
    return alt.layer(
        paths.mark_line(color=side, strokeWidth=1.8).encode(**left, detail="depth:N", order="order:Q"),
        stream.mark_rule(color=own, strokeWidth=3).encode(**left, y2="y2:Q"),
        arrows.mark_point(shape="triangle-up", filled=True, size=80, opacity=1, color=theme.ink).encode(**left),
        blocks.mark_rect(fill=theme.raised, stroke=side, strokeWidth=1.5, cornerRadius=4).encode(
            **left, x2="x2:Q", y2="y2:Q", tooltip=tooltip(FIELDS)
        ),
        middle.mark_text(color=theme.ink, fontSize=12.5).encode(**left, text="branch:N"),
        joins.mark_text(color=side, fontSize=12, align="left", dx=10, dy=10).encode(**left, text="added_text:N"),
        nodes.mark_point(filled=True, size=90, opacity=1, color=own).encode(**left, tooltip=tooltip(FIELDS)),
        nodes.transform_filter("datum.place == 'stream'").mark_text(**words).encode(**left, text="gradient_text:N"),
        ends.mark_text(**words).encode(**left, text="words:N"),
    ).properties(height=_STEP * (last + 1))


def headline(rows: pd.DataFrame) -> str:
    """Compare the gradients at both ends."""
    first, last = rows["gradient"].iloc[0], rows["gradient"].iloc[-1]
    return f"Branch by branch the gradient grows from {last:.3f} at the last norm to {first:.3f} at the embedding"


def describe(rows: pd.DataFrame) -> str:
    """Describe the gradient at both ends and what each branch adds."""
    first, last = rows.iloc[0], rows.iloc[-1]
    branches = rows[rows["branch"] != ""][::-1]
    parts = ", ".join(map("{} {:.3f}".format, branches["branch"], branches["added"]))
    return (
        f"The norm of the stream's gradient is {last['gradient']:.3f} below the last norm. On the way up each branch "
        f"adds its own part: {parts}. At the embedding the norm is {first['gradient']:.3f}."
    )
