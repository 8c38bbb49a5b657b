"""Held-out loss over seconds of training, engine by engine: what a faster step is worth.

The same batches and rates for all who run one recipe, the clock stopped during evaluations (``bench.training.race``).
Shown are the races on the newest one's text and machine; where there are several recipes, a line's dashes show which.
"""

from __future__ import annotations

import json

import altair as alt
import pandas as pd

from bench.records.store import stored_runs
from bench.training.race import NANOGPT_TARGET, SUITE
from sitegen.figures.axes import dashes, variant_encodings
from sitegen.figures.base import Drawing
from sitegen.figures.fields import COMMAND, END, MACHINE, POINT, TABLE, VARIANT, Field, exported, tooltip
from sitegen.figures.layers import Values, reference_line
from sitegen.rows.cells import failure_reason, of_scope
from sitegen.rows.machines import origin_words
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.palette import Theme

FIELDS = (
    VARIANT,
    Field("recipe", "recipe", POINT | TABLE),
    Field("loss_text", "held-out loss", POINT | TABLE),
    Field("time_text", "after", POINT | TABLE),
    Field("step", "step", POINT | TABLE, quantities.whole, type="Q"),
    END,
    MACHINE,
    COMMAND,
    *exported("preset", "corpus", "minutes", "loss", "run_id"),
)


def read(results: Results) -> pd.DataFrame:
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
                    **origin_words(run),
                    "run_id": run.run_id,
                }
            )
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of held-out loss over minutes of training, with nanoGPT's end as a rule."""
    color, shape = variant_encodings(dict.fromkeys(rows["variant"]), theme)
    x = alt.X(
        "minutes:Q", title="minutes of training", scale=alt.Scale(zero=True, nice=False), axis=alt.Axis(tickCount=6)
    )
    y = alt.Y("loss:Q", title="held-out loss, nats per byte", scale=alt.Scale(zero=False))
    values = Values({"x": x, "y": y}, color, tooltip(FIELDS), shape, size=45)
    chart = alt.Chart(rows)
    words = f"{NANOGPT_TARGET:g}: about where nanoGPT's recipe ends"
    return alt.layer(
        *reference_line("loss", NANOGPT_TARGET, theme, words, y),
        values.line(chart, **dashes(rows, "recipe")),
        values.points(chart),
    )


def describe(rows: pd.DataFrame) -> str:
    """When each engine was first at the target, and where it ended."""
    parts = []
    for (variant, recipe), group in rows.groupby(["variant", "recipe"], sort=False):
        reached = group[group["loss"] <= NANOGPT_TARGET].sort_values("step")
        when = f"after {reached['time_text'].iloc[0]}" if len(reached) else "never"
        parts.append(f"{variant} ({recipe}) at {NANOGPT_TARGET:g} {when}, lowest {group['loss'].min():.3f}")
    return f"Held-out loss over time of training. {'; '.join(parts)}."
