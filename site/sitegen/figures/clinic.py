"""Loss over the steps of the failure clinic's runs: one with nothing wrong, and one for each fault.

The training loss is what the faulty program reports. The held-out loss is that of a sound engine with the same weights.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import altair as alt
import pandas as pd

from bench.training.clinic_cases import CASES, HEALTHY
from sitegen.figures.axes import by_name
from sitegen.figures.base import Drawing
from sitegen.figures.fields import COMMAND, END, MACHINE, POINT, TABLE, Field, exported, tooltip
from sitegen.figures.layers import reference_line
from sitegen.figures.menus import menu
from sitegen.rows.clinic import clinic_frame
from sitegen.rows.results import Results
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

UNIFORM_LOSS = math.log(256)
HIGHEST = 8.0  # nats; the axis ends here, and what is above lies on its edge
TABLE_POINTS = 5  # of each line, in the table behind the figure
_SERIES = ("training", "held out")
_ALL = "all"

FIELDS = (
    Field("title", "case", POINT | TABLE),
    Field("series", "loss", POINT | TABLE),
    Field("loss", "nats per byte", POINT | TABLE, "{:.3f}".format, type="Q", format=".3f"),
    Field("step", "step", POINT | TABLE, quantities.whole, type="Q"),
    Field("averaged", "averaged over", POINT),
    END,
    replace(MACHINE, shown=POINT),
    COMMAND,
    *exported("case", "measured_on"),
    Field("shown_loss", derive=lambda rows: rows["loss"].clip(upper=HIGHEST)),
)


def read(results: Results) -> pd.DataFrame:
    """Points of the newest run of each case."""
    return clinic_frame(results)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Training losses of all cases, or by the menu both losses of one case beside the healthy one's."""
    names = list(dict.fromkeys(rows["case"]))
    titles = [CASES[name].title for name in names]
    palette = [theme.engines["python"], theme.engines["vectorized"], theme.engines["numpy"], *theme.spare]
    color = by_name(alt.Color, "title", titles, palette, symbolType="stroke", labelLimit=0)
    failures = {name: CASES[name].title for name in names if name != HEALTHY}
    choice = menu("fault", _ALL, {_ALL: "training losses of all cases"} | failures, "Show")
    both = f"(datum.case === fault || datum.case === {json.dumps(HEALTHY)})"
    x = alt.X("step:Q", title="training steps", scale=alt.Scale(zero=True, nice=False), axis=alt.Axis(tickCount=6))
    y = alt.Y(
        "shown_loss:Q",
        title="loss, nats per byte",
        scale=alt.Scale(domain=[0, HIGHEST], nice=False),
    )
    shown = alt.Chart(rows).transform_filter(
        f"fault === {json.dumps(_ALL)} ? datum.series === {json.dumps(_SERIES[0])} : {both}"
    )
    place = {"x": x, "y": y}
    training, held_out = (shown.transform_filter(f"datum.series === {json.dumps(name)}") for name in _SERIES)
    # Wide, invisible targets: a thin line is hard to hit with a finger.
    targets = shown.mark_point(size=220, opacity=0, filled=True, aria=False)
    return alt.layer(
        *reference_line("shown_loss", UNIFORM_LOSS, theme, "a uniform guess: ln 256", y),
        training.mark_line(strokeWidth=1.6, opacity=0.8).encode(**place, color=color),
        held_out.mark_line(strokeWidth=2.2).encode(**place, color=color),
        held_out.mark_point(filled=True, size=40, opacity=1).encode(**place, color=color),
        targets.encode(**place, tooltip=tooltip(FIELDS)),
    ).add_params(choice)


def tabulated(rows: pd.DataFrame) -> pd.DataFrame:
    """Thin out the rows for the table: a few points of each line, and always the last."""
    lines = rows.groupby(["case", "series"], sort=False)
    every = -(-lines["step"].transform("size") // TABLE_POINTS)
    return rows[lines.cumcount(ascending=False) % every == 0]


def headline(rows: pd.DataFrame) -> str:
    """Count the faults whose reported loss looks better than the healthy run's while the true one is worse."""
    last = rows.sort_values("step", kind="stable").groupby(["case", "series"], sort=False).tail(1)
    ends = last.pivot(index="case", columns="series", values="loss").reindex(columns=[*_SERIES])
    faults = ends.drop(index=HEALTHY, errors="ignore")
    if HEALTHY not in ends.index or faults.empty:
        return "The loss curve of each fault"
    training, held_out = (ends.loc[HEALTHY, name] for name in _SERIES)
    flattering = int(((faults["training"] < training) & (faults["held out"] > held_out)).sum())
    return f"{flattering} of {len(faults)} faults lower the loss that training reports, and raise the held-out loss"


def describe(rows: pd.DataFrame) -> str:
    """Describe the final losses of each case."""
    last = rows.sort_values("step", kind="stable").groupby(["title", "series"], sort=False).tail(1)
    ends = last.pivot(index="title", columns="series", values="loss")
    titles = dict.fromkeys(rows["title"])
    parts = [f"{title}: {_ends(ends.loc[title])}" for title in titles]
    return (
        f"Training loss as each program reports it, and held-out loss as a sound one computes it. {'; '.join(parts)}."
    )


def _ends(ends: pd.Series) -> str:
    words = {"training": "training", "held out": "held out"}
    return " and ".join(f"{ends[name]:.2f} {words[name]}" for name in _SERIES if not pd.isna(ends.get(name)))
