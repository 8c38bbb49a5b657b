"""Loss over wall time of training runs: what the speed is for.

Training loss is the mean over consecutive steps (a single step's loss is mostly the luck of its batch); held-out loss
is shown as it was measured. A model that has learned nothing sits at ln 256 nats: a uniform guess over bytes.
"""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from sitegen.figures.base import HEIGHT, Column, Drawing, Figure, legend_columns, text, tooltip
from sitegen.rows.results import Results
from sitegen.rows.training import loss_frame
from sitegen.text import quantities
from sitegen.text.palette import Theme

UNIFORM_LOSS = math.log(256)
MAX_RUNS = 8  # more lines than this cannot be told apart
TABLE_POINTS = 10  # of a line in the table behind the figure, which is for reading
_DASHES = {"training": [1, 0], "held out": [5, 4]}

_FIELDS = (
    "run", "series", "variant", "preset", "corpus", "step", "minutes", "loss", "loss_text", "averaged", "time_text",
    "status", "machine", "command", "measured_on",
)  # fmt: skip


def loss_rows(results: Results) -> pd.DataFrame:
    """Points of the newest training runs, at most ``MAX_RUNS`` of them."""
    rows = loss_frame(results, MAX_RUNS)
    rows["loss_text"] = [f"{value:.3f} nats per token" for value in rows["loss"]]
    rows["time_text"] = [quantities.duration(value * 60) for value in rows["minutes"]]
    return rows[[*_FIELDS]]


def loss_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of loss over minutes: solid for training, dashed with points for held out."""
    runs = list(dict.fromkeys(rows["run"]))
    palette = [theme.engines["vectorized"], theme.engines["numpy"], *theme.spare]
    color = alt.Color(
        "run:N",
        scale=alt.Scale(domain=runs, range=[palette[index % len(palette)] for index in range(len(runs))]),
        legend=alt.Legend(title=None, orient="bottom", columns=legend_columns(runs), symbolType="stroke"),
    )
    dash = alt.StrokeDash(
        "series:N",
        scale=alt.Scale(domain=list(_DASHES), range=list(_DASHES.values())),
        legend=alt.Legend(title=None, orient="bottom", columns=2, symbolType="stroke", symbolSize=400),
    )
    x = alt.X(
        "minutes:Q", title="minutes of training", scale=alt.Scale(zero=True, nice=False), axis=alt.Axis(tickCount=6)
    )
    top = max(UNIFORM_LOSS, float(rows["loss"].max())) + 0.25
    y = alt.Y(
        "loss:Q",
        title="loss, nats per token",
        scale=alt.Scale(domain=[min(1.0, math.floor(float(rows["loss"].min()))), top], nice=False),
    )
    lines = tooltip(
        ("run:N", "run"),
        ("series:N", "loss"),
        ("averaged:N", "averaged over"),
        ("step:Q", "step"),
        ("status:N", "the run's end"),
        ("machine:N", "machine"),
        ("command:N", "to repeat it"),
    )
    # Written by the chart itself: a text of its own for each of hundreds of points would be most of its data.
    lines[2:2] = [
        alt.Tooltip("loss:Q", title="nats per token", format=".3f"),
        alt.Tooltip("minutes:Q", title="minutes", format=".3~r"),
    ]
    uniform = alt.Chart(pd.DataFrame({"loss": [UNIFORM_LOSS]}))
    chart = alt.Chart(rows)
    held_out = chart.transform_filter("datum.series == 'held out'")
    return alt.layer(
        uniform.mark_rule(color=theme.muted, strokeDash=[3, 3]).encode(y=y),
        uniform.mark_text(align="right", dy=-7, color=theme.muted, text="a uniform guess: ln 256").encode(
            y=y, x=alt.value(alt.ExprRef("width"))
        ),
        chart.mark_line(strokeWidth=2, opacity=0.9).encode(x=x, y=y, color=color, strokeDash=dash),
        held_out.mark_point(filled=True, size=55, opacity=1).encode(x=x, y=y, color=color, tooltip=lines),
        # Wide, invisible targets: a thin line is hard to hit with a finger.
        chart.mark_point(size=220, opacity=0, filled=True, aria=False).encode(x=x, y=y, tooltip=lines),
    ).properties(width="container", height=HEIGHT)


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows for a table that people read: of each line some points and the last."""
    lines = rows.groupby(["run", "series"], sort=False)
    every = -(-lines["step"].transform("size") // TABLE_POINTS)
    return rows[lines.cumcount(ascending=False) % every == 0]


def describe_loss(rows: pd.DataFrame) -> str:
    """Where each run's losses ended."""
    parts = []
    for (run, series), group in rows.groupby(["run", "series"], sort=False):
        last = group.sort_values("step").iloc[-1]
        parts.append(f"{run}, {series}: {last['loss_text']} after {last['time_text']}")
    return f"Loss against wall time. {'; '.join(parts)}."


LOSS = Figure(
    name="loss",
    title="Loss against wall time",
    summary="Training loss (solid, averaged over consecutive steps) and loss on text the model never saw (dashed). "
    "When the two part, the model has begun to memorize.",
    rows=loss_rows,
    chart=loss_chart,
    describe=describe_loss,
    columns=(
        Column("run", "run", text),
        Column("series", "loss", text),
        Column("step", "step", lambda value: quantities.whole(value)),
        Column("minutes", "minutes", lambda value: quantities.significant(value)),
        Column("loss", "nats per token", lambda value: f"{value:.3f}"),
    ),
    needs="one training run",
    command="invoke train --preset small --corpus shakespeare --record",
    tabulated=_thinned,
)
