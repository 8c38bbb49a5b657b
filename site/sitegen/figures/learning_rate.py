"""Held-out loss over the learning rate, by recipe: what a high rate costs, and which updates it costs it in.

A warm-up adds nothing but a hundred smaller updates to begin with, so its distance from the constant rate is what
those updates cost. The third recipe lets the rate fall at the end as well.
"""

from __future__ import annotations

import json

import altair as alt
import pandas as pd

from bench.records.store import stored_runs
from sitegen.figures.base import FAILURE_SHAPE, HEIGHT, Column, Drawing, Figure, legend_columns, text, tooltip
from sitegen.rows.cells import failure_reason
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.palette import Theme

SUITE = "sweep"
_FIELDS = (
    "series", "recipe", "preset", "corpus", "rate", "rate_text", "loss", "loss_text", "state", "steps", "status",
    "machine", "command", "run_id",
)  # fmt: skip


def recipe_words(optimizer: str) -> str:
    """What a protocol's update rule says about the rate, in two words or three."""
    if "cosine" in optimizer:
        return "warm-up and cosine" if "warmed up" in optimizer else "cosine"
    return "warm-up, then constant" if "warmed up" in optimizer else "constant"


def learning_rate_rows(results: Results) -> pd.DataFrame:
    """One row per rate and recipe of the newest sweep of each preset and text; diverged runs have no loss."""
    runs = results.runs[(results.runs["kind"] == "train") & (results.runs["suite"] == SUITE)]
    runs = runs[runs["status"].isin(["ok", "diverged"])].sort_values("started_at", kind="stable")
    rows = []
    for run in stored_runs(runs.drop_duplicates(["preset", "corpus_sha256", "protocol_hash"], keep="last")):
        protocol = json.loads(run.protocol)
        recipe, rate = recipe_words(str(protocol["optimizer"])), float(protocol["learning_rate"])
        loss = run.held_out_loss if run.status == "ok" else None
        corpus = one_line(run.corpus, 40)
        steps = int(protocol["measured_steps"])
        rows.append(
            {
                "series": f"{recipe} ({run.preset} on {corpus}, {quantities.whole(steps)} steps)",
                "recipe": recipe,
                "preset": run.preset,
                "corpus": corpus,
                "rate": rate,
                "rate_text": f"{rate:g}",
                "loss": loss,
                "loss_text": "diverged" if loss is None else f"{loss:.3f} nats per byte",
                "state": "failed" if loss is None else "measured",
                "steps": steps,
                "status": "ok" if loss is not None else failure_reason(run),
                "machine": machine_label(run),
                "command": one_line(run.command, 300),
                "run_id": run.run_id,
            }
        )
    return pd.DataFrame(rows, columns=[*_FIELDS]).sort_values(["series", "rate"], ignore_index=True)


def learning_rate_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of held-out loss over the rate, log scale; crosses where training diverged."""
    # What all lines share is said once, above their names: a phone has no room for it three times.
    swept = rows[["preset", "corpus", "steps"]].drop_duplicates()
    name, shared = "series", None
    if len(swept) == 1:
        preset, corpus, steps = swept.iloc[0]
        name, shared = "recipe", f"{preset} on {corpus}, {quantities.whole(steps)} steps"
    series = list(dict.fromkeys(rows[name]))
    palette = [theme.engines["numpy"], *theme.spare, theme.engines["vectorized"]]
    color = alt.Color(
        f"{name}:N",
        scale=alt.Scale(domain=series, range=[palette[index % len(palette)] for index in range(len(series))]),
        legend=alt.Legend(title=shared, titleLimit=0, orient="bottom", columns=legend_columns(series), labelLimit=0),
    )
    low, high = float(rows["rate"].min()), float(rows["rate"].max())
    x = alt.X(
        "rate:Q",
        title="learning rate at its highest (log scale)",
        scale=alt.Scale(type="log", domain=[low / 1.5, high * 1.5], nice=False),
        axis=alt.Axis(values=sorted(set(rows["rate"])), format="~g", grid=False, labelOverlap="greedy"),
    )
    y = alt.Y("loss:Q", title="held-out loss at the end, nats per byte", scale=alt.Scale(zero=False))
    told = tooltip(
        ("series:N", "recipe"),
        ("rate_text:N", "learning rate"),
        ("loss_text:N", "held-out loss"),
        ("status:N", "the run's end"),
        ("machine:N", "machine"),
        ("command:N", "to repeat it"),
    )
    chart = alt.Chart(rows)
    measured = chart.transform_filter("datum.state == 'measured'")
    layers = [
        measured.mark_line(strokeWidth=2.2, opacity=0.9).encode(x=x, y=y, color=color),
        measured.mark_point(filled=True, size=90, opacity=1).encode(x=x, y=y, color=color, tooltip=told),
    ]
    if (rows["state"] == "failed").any():
        layers.append(
            chart.transform_filter("datum.state == 'failed'")
            .mark_point(shape=FAILURE_SHAPE, size=80, strokeWidth=2.4, opacity=1)
            .encode(x=x, y=alt.value(alt.ExprRef("height - 8")), color=color, tooltip=told)
        )
    return alt.layer(*layers).properties(width="container", height=HEIGHT)


def describe_learning_rate(rows: pd.DataFrame) -> str:
    """The best rate of each recipe, and what 3e-3 came to."""
    parts = []
    for series, group in rows.groupby("series", sort=False):
        measured = group[group["state"] == "measured"]
        if measured.empty:
            parts.append(f"{series}: every rate diverged")
            continue
        best = measured.sort_values("loss").iloc[0]
        parts.append(f"{series}: lowest at {best['rate_text']}, {best['loss_text']}")
    failed = int((rows["state"] == "failed").sum())
    return f"Held-out loss over the learning rate. {'; '.join(parts)}." + (f" {failed} diverged." if failed else "")


LEARNING_RATE = Figure(
    name="learning_rate",
    title="Held-out loss over the learning rate",
    summary="Equal steps, text and starting weights; what differs is the rate and what happens to it. The distance "
    "between constant with and without a warm-up is what the first hundred updates cost at that rate.",
    rows=learning_rate_rows,
    chart=learning_rate_chart,
    describe=describe_learning_rate,
    columns=(
        Column("series", "recipe", text),
        Column("rate", "learning rate", lambda value: f"{value:g}"),
        Column("loss_text", "held-out loss", text),
        Column("status", "the run's end", text),
        Column("machine", "machine", text),
    ),
    needs="a recorded sweep",
    command="invoke sweep --preset tiny --corpus shakespeare --steps 2000",
)
