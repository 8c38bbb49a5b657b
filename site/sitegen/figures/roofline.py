"""The matrix products alone as a share of each engine's step: the limit of any engine that is built on them.

    share(variant, preset) = time of a step's products by themselves, in their best round / step time of the variant

The rest to 100 % is everything but products: norms, GELU, softmax, loss, optimiser, and waiting.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.registry import ROOFLINE
from sitegen.figures.axes import LABEL_WIDTH, above, at_size, parameter_axis
from sitegen.figures.base import Drawing
from sitegen.figures.descriptions import describe_ends
from sitegen.figures.fields import FULL_ORIGIN, POINT, PRESET, TABLE, VARIANT, Field, exported, tooltip, written
from sitegen.figures.grammar.line_names import linear_level
from sitegen.figures.grammar.words import first_machine
from sitegen.figures.layers import Values, limit
from sitegen.figures.menus import in_first_view, show_menu
from sitegen.rows.cells import machine_by_machine
from sitegen.rows.peers import peer_frame
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import tiers_of
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

FIELDS = (
    VARIANT,
    PRESET,
    *written("share", "share of the roofline", quantities.percent, "share_text"),
    Field("share_interval", "interval", POINT | TABLE),
    Field("time_text", "its step", POINT | TABLE),
    Field("products_text", "the products alone", POINT | TABLE),
    *FULL_ORIGIN,
    *exported("state", "tier", "ours", "n_parameters"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per engine or peer and preset that was measured beside the products alone."""
    frame = machine_by_machine(peer_frame(results.training_ratios), results)
    products = frame[frame["variant"] == ROOFLINE].set_index(["machine", "preset"])["time_text"].to_dict()
    rows = frame[frame["share"].notna() & (frame["variant"] != ROOFLINE)].reset_index(drop=True)
    rows["evidence"] = rows["share_evidence"]
    rows["tier"] = tiers_of(rows)
    rows["products_text"] = [products.get(place, "") for place in zip(rows["machine"], rows["preset"], strict=True)]
    return rows


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of the share over parameters; above 100 % is the limit."""
    show = show_menu(rows, theme)
    top = max(1.12, float(rows["share"].max()) * 1.05)
    y = alt.Y(
        "share:Q",
        title=None,
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(format="%", tickCount=6, minExtent=LABEL_WIDTH),
    )
    chart = alt.Chart(at_size(rows)).transform_filter(show.condition)
    values = Values({"x": parameter_axis(rows, show.look.names), "y": y}, show.look, tooltip(FIELDS))
    bound = chart.transform_aggregate(groupby=["at_size"], share="min(share)").transform_calculate(share="1")
    return (
        alt.layer(
            *limit(bound, values.place, "0", theme, "10", "limit of the products"),
            *values.names(chart, linear_level("share", 0, top), theme),
            values.line(chart),
            values.points(chart),
        )
        .add_params(*show.parameters)
        .properties(title=above("share of the roofline", theme))
    )


def headline(rows: pd.DataFrame) -> str:
    """State the products' share of our step at both ends of the sizes."""
    own = rows[rows["variant"] == rows["ours"]]
    ends = row_dicts(first_machine(own if len(own) else rows).sort_values("n_parameters").iloc[[0, -1]])
    ends = ends[: 1 + (ends[0] != ends[1])]
    names = quantities.listed(dict.fromkeys(row["variant"] for row in ends))
    shares = [f"{row['share_text']} of a step at {row['preset']}" for row in ends]
    return f"In {names}, the matrix products alone are {quantities.listed(shares)}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the share at the ends of each engine's range."""
    ends = describe_ends(in_first_view(rows), "share_text")
    return f"Time of the matrix products alone over each engine's step, by model size. {ends}"
