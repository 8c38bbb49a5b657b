"""Lines by name over a number, with wide targets for tooltips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import altair as alt
import pandas as pd

from sitegen.figures.axes import by_name
from sitegen.figures.base import Drawing
from sitegen.figures.fields import Field, tooltip
from sitegen.figures.grammar.line_names import LineNames, linear_level, log_level
from sitegen.text.palette import Theme

HEIGHT = 300


def curves(
    rows: pd.DataFrame,
    fields: Sequence[Field],
    x: alt.X,
    y: alt.Y,
    theme: Theme,
    domain: tuple[float, float],
    log: bool = False,
) -> Drawing:
    """A line for each value of the column ``series``, in a colour of its own and named at its end.

    Args:
        rows: to draw.
        fields: of tooltips.
        x, y: axes; their ranges are set here.
        theme: gives the colours.
        domain: of the vertical axis.
        log: whether that is logarithmic.
    """
    series = list(dict.fromkeys(rows["series"]))
    names = LineNames("series", {name: name for name in series})
    color = by_name(
        alt.Color, "series", series, [theme.engines["vectorized"], theme.engines["numpy"], theme.muted], legend=False
    )
    # By name, because Altair's attributes of these names are methods.
    across = cast(Any, x)
    up = cast(Any, y)
    across["scale"]["range"] = names.range
    up["scale"] = alt.Scale(type="log" if log else "linear", domain=[*domain], nice=False)
    field = str(up.to_dict()["field"])
    level = log_level(field, *map(str, domain)) if log else linear_level(field, *domain)
    chart = alt.Chart(rows)
    targets = chart.mark_point(size=220, opacity=0, filled=True, aria=False)
    return alt.layer(
        chart.mark_line(strokeWidth=2.2).encode(x=x, y=y, color=color),
        *names.layers(chart, {"x": x, "y": y}, color, level, theme),
        targets.encode(x=x, y=y, tooltip=tooltip(fields)),
    ).properties(height=HEIGHT)
