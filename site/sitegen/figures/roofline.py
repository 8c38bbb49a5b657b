"""How close each engine comes to the matrix products alone: the limit of any engine that is built on them.

    share(variant, preset) = time of a step's products by themselves / median step time of the variant, in one run

What is missing to 100 % is everything that is not multiplied: norms, GELU, softmax, loss, optimiser, and waiting.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.registry import ROOFLINE
from sitegen.figures.base import (
    HEIGHT,
    Column,
    Drawing,
    Figure,
    above,
    describe_ends,
    machine_dash,
    parameter_axis,
    text,
    tooltip,
)
from sitegen.figures.menus import show_menu
from sitegen.rows.peers import TRAINING_COMMAND, peer_frame
from sitegen.rows.results import Results
from sitegen.rows.series import tier_of
from sitegen.text import quantities
from sitegen.text.palette import Theme

_FIELDS = (
    "state", "variant", "tier", "preset", "n_parameters", "share", "share_text", "time_text", "products_text",
    "evidence", "machine", "command", "measured_on",
)  # fmt: skip


def roofline_rows(results: Results) -> pd.DataFrame:
    """One row per engine or peer and preset that was measured beside the products alone."""
    frame = peer_frame(results.training_ratios)
    products = frame[frame["variant"] == ROOFLINE].set_index(["machine", "preset"])["time_text"].to_dict()
    rows = frame[frame["share"].notna() & (frame["variant"] != ROOFLINE)].reset_index(drop=True)
    rows["tier"] = [tier_of(str(variant)) for variant in rows["variant"]]
    rows["products_text"] = [products.get(place, "") for place in zip(rows["machine"], rows["preset"], strict=True)]
    return rows[[*_FIELDS]]


def roofline_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of the share over parameters; the bound at 100 %."""
    show = show_menu(rows, theme)
    x = parameter_axis(rows)
    y = alt.Y(
        "share:Q",
        title=None,
        scale=alt.Scale(domain=[0, max(1.05, float(rows["share"].max()) * 1.05)], nice=False),
        axis=alt.Axis(format="%", tickCount=6, minExtent=46),
    )
    bound = alt.Chart(pd.DataFrame({"bound": [1.0]}))
    chart = alt.Chart(rows).transform_filter(show.condition)
    layers = [
        bound.mark_rule(color=theme.muted, strokeDash=[1, 3], strokeWidth=1.8).encode(y=alt.Y("bound:Q")),
        bound.mark_text(align="right", dy=-7, text="the matrix products alone", color=theme.muted).encode(
            y=alt.Y("bound:Q"), x=alt.value(alt.ExprRef("width"))
        ),
        chart.mark_line(strokeWidth=2.2, opacity=0.9).encode(
            x=x, y=y, color=show.color, detail=["machine:N"], **machine_dash(rows)
        ),
        chart.mark_point(filled=True, size=80, opacity=1).encode(
            x=x,
            y=y,
            color=show.color,
            shape=show.shape,
            tooltip=tooltip(
                ("variant:N", "engine"),
                ("preset:N", "preset"),
                ("share_text:N", "share of the roofline"),
                ("time_text:N", "its step"),
                ("products_text:N", "the products alone"),
                ("evidence:N", "evidence"),
                ("machine:N", "machine"),
                ("command:N", "to repeat it"),
            ),
        ),
    ]
    drawing = alt.layer(*layers).add_params(show.parameter)
    return drawing.properties(width="container", height=HEIGHT, title=above("share of the roofline", theme))


def describe_roofline(rows: pd.DataFrame) -> str:
    """The share at the ends of each engine's range."""
    ends = describe_ends(rows, "share_text")
    return f"Time of the matrix products alone over each engine's step, by model size. {ends}"


ROOFLINE_FIGURE = Figure(
    name="roofline",
    title="How close to the limit",
    summary="Of each engine's step, how much the matrix products by themselves would take, measured in the same run. "
    "The rest is everything else. At the smallest models calling the product costs about as much as multiplying.",
    rows=roofline_rows,
    chart=roofline_chart,
    describe=describe_roofline,
    columns=(
        Column("variant", "engine", text),
        Column("preset", "preset", text),
        Column("share", "share of the roofline", quantities.percent),
        Column("time_text", "its step", text),
        Column("products_text", "the products alone", text),
        Column("evidence", "evidence", text),
        Column("machine", "machine", text),
        Column("command", "to repeat it", text),
    ),
    needs="engines measured beside a peer and the matrix products alone in one run",
    command=TRAINING_COMMAND,
)
