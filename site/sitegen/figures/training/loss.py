"""Loss over wall time of training runs.

Training loss is the mean over consecutive steps (the loss of a single step depends mostly on its batch); held-out loss
is shown as measured. A model that has learned nothing has a loss of ln 256 nats: a uniform guess over bytes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import altair as alt
import pandas as pd

from sitegen.figures.axes import by_name, minutes_axis
from sitegen.figures.base import Drawing
from sitegen.figures.fields import COMMAND, END, MACHINE, POINT, TABLE, Field, exported, tooltip
from sitegen.figures.layers import reference_line
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.training import loss_frame
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

UNIFORM_LOSS = math.log(256)
MAX_RUNS = 8  # more lines than this cannot be told apart
TABLE_POINTS = 10  # of each line, in the table behind the figure
_SERIES = ("training", "held out")

# The chart writes the numbers in tooltips: stored, the texts of hundreds of points would be most of its data.
FIELDS = (
    Field("run", "run", POINT | TABLE),
    Field("series", "loss", POINT | TABLE),
    Field("loss", "nats per byte", POINT | TABLE, "{:.3f}".format, type="Q", format=".3f"),
    Field("minutes", "minutes", POINT | TABLE, quantities.significant, type="Q", format=".3~r"),
    Field("averaged", "averaged over", POINT),
    Field("step", "step", POINT | TABLE, quantities.whole, type="Q"),
    END,
    replace(MACHINE, shown=POINT),
    COMMAND,
    *exported("variant", "preset", "corpus", "measured_on"),
    Field("loss_text", derive=lambda rows: map("{:.3f} nats per byte".format, rows["loss"])),
    Field("time_text", derive=lambda rows: (quantities.duration(minutes * 60) for minutes in rows["minutes"])),
)


def read(results: Results) -> pd.DataFrame:
    """Points of the newest training runs, at most ``MAX_RUNS`` runs."""
    return loss_frame(results, MAX_RUNS)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of loss over minutes: thin and pale for training, with points for held out."""
    runs = list(dict.fromkeys(rows["run"]))
    palette = [theme.engines["vectorized"], theme.engines["numpy"], *theme.spare]
    color = by_name(alt.Color, "run", runs, palette, symbolType="stroke")
    x = minutes_axis()
    top = max(UNIFORM_LOSS, float(rows["loss"].max())) + 0.25
    y = alt.Y(
        "loss:Q",
        title="loss, nats per byte",
        scale=alt.Scale(domain=[min(1.0, math.floor(float(rows["loss"].min()))), top], nice=False),
    )
    chart = alt.Chart(rows)
    training, held_out = (chart.transform_filter(f"datum.series == '{series}'") for series in _SERIES)
    # Wide, invisible targets: a thin line is hard to hit with a finger.
    targets = chart.mark_point(size=220, opacity=0, filled=True, aria=False)
    return alt.layer(
        *reference_line("loss", UNIFORM_LOSS, theme, "a uniform guess: ln 256", y),
        training.mark_line(strokeWidth=1.2, opacity=0.55).encode(x=x, y=y, color=color),
        held_out.mark_line(strokeWidth=2.2).encode(x=x, y=y, color=color),
        held_out.mark_point(filled=True, size=55, opacity=1).encode(x=x, y=y, color=color, tooltip=tooltip(FIELDS)),
        targets.encode(x=x, y=y, tooltip=tooltip(FIELDS)),
    )


def tabulated(rows: pd.DataFrame) -> pd.DataFrame:
    """Thin out the rows for the table: a few points of each line, and always the last."""
    lines = rows.groupby(["run", "series"], sort=False)
    every = -(-lines["step"].transform("size") // TABLE_POINTS)
    return rows[lines.cumcount(ascending=False) % every == 0]


def headline(rows: pd.DataFrame) -> str:
    """State the lowest final loss on each text, on a part never seen where that was measured."""
    held_out = (rows["series"] == _SERIES[1]).any()
    series = _SERIES[1] if held_out else _SERIES[0]
    last = rows[rows["series"] == series].sort_values("step", kind="stable").groupby("run", sort=False).tail(1)
    lowest = row_dicts(last.sort_values("loss", kind="stable").drop_duplicates("corpus"))
    ends = [f"{row['loss']:.2f} on {row['corpus']}" for row in lowest]
    where = "on unseen text" if held_out else "in training"
    return f"Lowest loss {where}, in nats per byte: {quantities.listed(ends)}; a guess has {UNIFORM_LOSS:.2f}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the final losses of each run."""
    parts = []
    for (run, series), group in rows.groupby(["run", "series"], sort=False):
        last = group.sort_values("step").iloc[-1]
        parts.append(f"{run}, {series}: {last['loss_text']} after {last['time_text']}")
    return f"Loss against wall time. {'; '.join(parts)}."
