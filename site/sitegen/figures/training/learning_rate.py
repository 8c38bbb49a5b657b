"""Held-out loss over the learning rate, by recipe: the cost of a high rate, and the updates that cause it.

A warm-up only makes the first hundred updates smaller, so its distance from the constant rate is the cost of those
updates. The third recipe also lets the rate fall at the end.
"""

from __future__ import annotations

import json

import altair as alt
import pandas as pd

from bench.records.store import stored_runs
from sitegen.figures.axes import LABEL_WIDTH, Look, above, by_name
from sitegen.figures.base import Drawing
from sitegen.figures.fields import COMMAND, MACHINE, POINT, TABLE, Field, exported, tooltip, written
from sitegen.figures.grammar.line_names import LineNames, linear_level
from sitegen.figures.layers import Values
from sitegen.rows.cells import failure_reason
from sitegen.rows.machines import origin_words
from sitegen.rows.results import Results, row_dicts
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

SUITE = "sweep"
FIELDS = (
    Field("series", "recipe", POINT | TABLE),
    *written("rate", "learning rate", "{:g}".format, "rate_text"),
    Field("loss_text", "held-out loss", POINT | TABLE),
    Field("status", "the run's end", POINT | TABLE),
    MACHINE,
    COMMAND,
    *exported("recipe", "preset", "corpus", "loss", "state", "steps", "run_id", "measured_on"),
)


def recipe_words(optimizer: str) -> str:
    """The schedule of the learning rate in a protocol's update rule, in short."""
    if "cosine" in optimizer:
        return "warm-up and cosine" if "warmed up" in optimizer else "cosine"
    return "warm-up, then constant" if "warmed up" in optimizer else "constant"


def read(results: Results) -> pd.DataFrame:
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
                "loss": loss,
                "loss_text": "diverged" if loss is None else f"{loss:.3f} nats per byte",
                "state": "failed" if loss is None else "measured",
                "steps": steps,
                "status": "ok" if loss is not None else failure_reason(run),
                **origin_words(run),
                "run_id": run.run_id,
            }
        )
    return pd.DataFrame(rows).sort_values(["series", "rate"], ignore_index=True) if rows else pd.DataFrame()


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of held-out loss over the rate, log scale; crosses where training diverged."""
    # If all lines share preset, text and steps, the title has them: there is no room for them at each line.
    swept = rows[["preset", "corpus", "steps"]].drop_duplicates()
    name, shared = "series", None
    if len(swept) == 1:
        preset, corpus, steps = swept.iloc[0]
        name, shared = "recipe", f"{preset} on {corpus}, {quantities.whole(steps)} steps"
    series = list(dict.fromkeys(rows[name]))
    palette = [theme.engines["numpy"], *theme.spare, theme.engines["vectorized"]]
    color = by_name(alt.Color, name, series, palette, legend=False)
    names = LineNames(name, {line: line.replace(", then constant", "").replace(" and ", ", ") for line in series})
    low, high = float(rows["rate"].min()), float(rows["rate"].max())
    x = alt.X(
        "rate:Q",
        title="learning rate at its highest (log scale)",
        scale=alt.Scale(type="log", domain=[low / 1.5, high * 1.5], range=names.range, nice=False),
        axis=alt.Axis(
            values=sorted(set(rows["rate"])), format="~g", grid=False, labelOverlap="greedy", labelSeparation=4
        ),
    )
    bottom, top = float(rows["loss"].min()), float(rows["loss"].max())
    pad = max(0.02, (top - bottom) * 0.08)
    domain = (round(bottom - pad, 4), round(top + pad, 4)) if top >= bottom else (0.0, 1.0)
    y = alt.Y("loss:Q", title=None, scale=alt.Scale(domain=[*domain], nice=False), axis=alt.Axis(minExtent=LABEL_WIDTH))
    values = Values({"x": x, "y": y}, Look(color, color, alt.Undefined, names), tooltip(FIELDS), size=90)
    chart = alt.Chart(rows)
    measured = chart.transform_filter("datum.state == 'measured'")
    failures = values.failed(chart, rows, values.tooltip, y=alt.YValue(alt.ExprRef("height - 8")))
    title = "nats per byte" + (f"; {shared}" if shared else "")
    return alt.layer(
        *values.names(measured, linear_level("loss", *domain), theme),
        values.line(measured),
        values.points(measured),
        *failures,
    ).properties(title=above(title, theme))


def headline(rows: pd.DataFrame) -> str:
    """Compare the lowest loss of the best recipe with that of the worst, in the first sweep."""
    same = (rows[["preset", "corpus", "steps"]] == rows[["preset", "corpus", "steps"]].iloc[0]).all(axis=1)
    best = rows[same & (rows["state"] == "measured")].sort_values("loss").drop_duplicates("recipe")
    if best.empty:
        return "Every rate diverged"
    words = [f"{row['recipe']} reaches {row['loss']:.2f} at a rate of {row['rate_text']}" for row in row_dicts(best)]
    sentence = words[0] if len(words) == 1 else f"{words[0]}; {words[-1]}"
    return f"{sentence[0].upper()}{sentence[1:]}, one run each"


def describe(rows: pd.DataFrame) -> str:
    """Describe the best rate of each recipe, and the number of runs that diverged."""
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
