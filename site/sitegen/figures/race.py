"""Held-out loss over seconds of training, engine by engine: what a faster step is worth.

The same batches and rates for all who run one recipe, the clock stopped during evaluations (``bench.training.race``).
Shown are the races on the newest one's text and machine; where there are several recipes, a line's dashes tell which.
"""

from __future__ import annotations

import json

import altair as alt
import pandas as pd

from bench.records.store import stored_runs
from bench.training.race import NANOGPT_TARGET, SUITE
from sitegen.figures.base import HEIGHT, Column, Drawing, Figure, text, tooltip, variant_encodings
from sitegen.rows.cells import failure_reason, of_scope
from sitegen.rows.machines import machine_label
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.palette import Theme

_FIELDS = (
    "variant",
    "recipe",
    "preset",
    "corpus",
    "step",
    "minutes",
    "time_text",
    "loss",
    "loss_text",
    "status",
    "machine",
    "command",
    "run_id",
)


def race_rows(results: Results) -> pd.DataFrame:
    """Evaluations of the races on one text and machine: the newest run of each engine and recipe."""
    runs = results.runs[(results.runs["kind"] == "train") & (results.runs["suite"] == SUITE)]
    runs = runs.sort_values("started_at", kind="stable")
    same = of_scope(runs, runs.tail(1))
    same = same[same["corpus_sha256"].isin(runs["corpus_sha256"].tail(1))]
    rows = []
    for run in stored_runs(same.drop_duplicates(["variant", "protocol_hash"], keep="last")):
        protocol = json.loads(run.protocol)
        recipe = f"{run.preset}, {quantities.whole(protocol['measured_steps'])} steps"
        steps = results.steps[results.steps["cell_id"] == run.cell_id].sort_values("step")
        evaluated = steps[steps["held_out_loss"].notna()]
        for step, seconds, loss in evaluated[["step", "elapsed_seconds", "held_out_loss"]].itertuples(index=False):
            rows.append(
                {
                    "variant": run.variant,
                    "recipe": recipe,
                    "preset": run.preset,
                    "corpus": one_line(run.corpus, 40),
                    "step": step,
                    "minutes": seconds / 60,
                    "time_text": quantities.duration(seconds),
                    "loss": loss,
                    "loss_text": f"{loss:.3f} nats per byte",
                    "status": "ok" if run.status == "ok" else f"{run.status}: {failure_reason(run)}",
                    "machine": machine_label(run),
                    "command": one_line(run.command, 300),
                    "run_id": run.run_id,
                }
            )
    return pd.DataFrame(rows, columns=[*_FIELDS])


def race_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of held-out loss over minutes of training, with nanoGPT's end as a rule."""
    color, shape = variant_encodings(dict.fromkeys(rows["variant"]), theme)
    x = alt.X(
        "minutes:Q", title="minutes of training", scale=alt.Scale(zero=True, nice=False), axis=alt.Axis(tickCount=6)
    )
    y = alt.Y("loss:Q", title="held-out loss, nats per byte", scale=alt.Scale(zero=False))
    target = alt.Chart(pd.DataFrame({"loss": [NANOGPT_TARGET]}))
    chart = alt.Chart(rows)
    told = tooltip(
        ("variant:N", "engine"),
        ("recipe:N", "recipe"),
        ("loss_text:N", "held-out loss"),
        ("time_text:N", "after"),
        ("step:Q", "step"),
        ("status:N", "the run's end"),
        ("machine:N", "machine"),
        ("command:N", "to repeat it"),
    )
    return alt.layer(
        target.mark_rule(color=theme.muted, strokeDash=[3, 3]).encode(y=y),
        target.mark_text(
            align="right", dy=-7, color=theme.muted, text=f"{NANOGPT_TARGET:g}: about where nanoGPT's recipe ends"
        ).encode(y=y, x=alt.value(alt.ExprRef("width"))),
        chart.mark_line(strokeWidth=2.2, opacity=0.9).encode(x=x, y=y, color=color, strokeDash=_dashes(rows)),
        chart.mark_point(filled=True, size=45, opacity=1).encode(x=x, y=y, color=color, shape=shape, tooltip=told),
    ).properties(width="container", height=HEIGHT)


def _dashes(rows: pd.DataFrame) -> alt.StrokeDash:
    recipes = list(dict.fromkeys(rows["recipe"]))
    styles = [[1, 0], [7, 4], [2, 3], [9, 3, 2, 3]]
    legend = alt.Legend(title=None, orient="bottom", columns=1, symbolType="stroke", symbolSize=400)
    return alt.StrokeDash(
        "recipe:N",
        scale=alt.Scale(domain=recipes, range=[styles[index % len(styles)] for index in range(len(recipes))]),
        legend=legend if len(recipes) > 1 else None,
    )


def describe_race(rows: pd.DataFrame) -> str:
    """When each engine was first at the target, and where it ended."""
    parts = []
    for (variant, recipe), group in rows.groupby(["variant", "recipe"], sort=False):
        reached = group[group["loss"] <= NANOGPT_TARGET].sort_values("step")
        when = f"after {reached['time_text'].iloc[0]}" if len(reached) else "never"
        parts.append(f"{variant} ({recipe}) at {NANOGPT_TARGET:g} {when}, lowest {group['loss'].min():.3f}")
    return f"Held-out loss over time of training. {'; '.join(parts)}."


RACE = Figure(
    name="race",
    title="The same loss, sooner",
    summary="One recipe, the same batches and starting weights, each engine in its own process, one after the other. "
    "The clock stands still while the held-out loss is computed.",
    rows=race_rows,
    chart=race_chart,
    describe=describe_race,
    columns=(
        Column("variant", "engine", text),
        Column("recipe", "recipe", text),
        Column("step", "step", quantities.whole),
        Column("time_text", "after", text),
        Column("loss_text", "held-out loss", text),
        Column("machine", "machine", text),
    ),
    needs="a recorded race",
    command="invoke race --preset nanogpt --corpus tinyshakespeare --steps 2000",
)
