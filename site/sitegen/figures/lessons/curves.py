"""Lines by name over a number, with wide targets for tooltips."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from sitegen.figures.axes import STROKE, by_name
from sitegen.figures.base import Drawing
from sitegen.figures.fields import Field, tooltip
from sitegen.text.palette import Theme

_DASHES = ([1, 0], [7, 4], [2, 3])
HEIGHT = 300


def curves(rows: pd.DataFrame, fields: Sequence[Field], x: alt.X, y: alt.Y, theme: Theme) -> Drawing:
    """A line for each value of the column ``series``, in a colour and a style of its own."""
    names = list(dict.fromkeys(rows["series"]))
    colors = [theme.engines["vectorized"], theme.engines["numpy"], theme.muted]
    legend = STROKE | {"columns": 1, "labelLimit": alt.ExprRef("room - 80")}
    look = {
        "color": by_name(alt.Color, "series", names, colors, **legend),
        "strokeDash": by_name(alt.StrokeDash, "series", names, _DASHES, **legend),
    }
    chart = alt.Chart(rows)
    targets = chart.mark_point(size=220, opacity=0, filled=True, aria=False)
    return alt.layer(
        chart.mark_line(strokeWidth=2.2).encode(x=x, y=y, **look),
        targets.encode(x=x, y=y, tooltip=tooltip(fields)),
    ).properties(height=HEIGHT)
