"""Held-out loss over the time of training, program by program; a line for each seed.

All engines of a recipe train on the same batches with the same rates, and the clock stops during evaluations
(``bench.training.race``). The figure shows the races on the text and the machine of the newest one, cropped to where
they are decided; the downloads have everything.
"""

from __future__ import annotations

import json
from dataclasses import replace

import altair as alt
import pandas as pd

from bench.records.store import stored_runs
from bench.training.options import NANOGPT_TARGET
from bench.training.race import SUITE
from sitegen.figures.axes import minutes_axis, variant_look
from sitegen.figures.base import Drawing
from sitegen.figures.fields import COMMAND, END, MACHINE, POINT, TABLE, VARIANT, Field, exported, tooltip
from sitegen.figures.grammar.line_names import LineNames, linear_level
from sitegen.figures.layers import Values, reference_line
from sitegen.rows.cells import of_scope, status_text
from sitegen.rows.machines import origin_words
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import label_of
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

_ABOVE = 0.35  # nats above the target at which the view begins
_AFTER = 1.15  # of the time at which the last engine reaches the target
FIELDS = (
    VARIANT,
    Field("recipe", "recipe", POINT | TABLE),
    Field("loss_text", "held-out loss", POINT | TABLE),
    Field("time_text", "after", POINT | TABLE),
    Field("step", "step", POINT | TABLE, quantities.whole, type="Q"),
    Field("seed", "seed", POINT | TABLE, quantities.whole, type="Q"),
    END,
    MACHINE,
    COMMAND,
    *exported("preset", "corpus", "minutes", "loss", "run_id", "measured_on"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per evaluation of the races on one text and machine, of the newest run of each engine and recipe."""
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
                    "seed": run.seed,
                    "step": step,
                    "minutes": seconds / 60,
                    "time_text": quantities.duration(seconds),
                    "loss": loss,
                    "loss_text": f"{loss:.3f} nats per byte",
                    "status": status_text(run),
                    **origin_words(run),
                    "run_id": run.run_id,
                }
            )
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of held-out loss over minutes of training where the race is decided, and a rule at the target."""
    first, last, low, high = _decided(rows)
    recipes = list(dict.fromkeys(rows["recipe"]))
    rows = rows.assign(line=rows["variant"] + (("; " + rows["recipe"]) if len(recipes) > 1 else ""))
    labels = {
        str(row["line"]): label_of(str(row["variant"])) + f", {row['preset']}" * (row["recipe"] != recipes[0])
        for row in row_dicts(rows.drop_duplicates("line"))
    }
    target = f"{NANOGPT_TARGET:g}: nanoGPT's recipe"
    look = replace(variant_look(rows["variant"], theme), names=LineNames("line", labels | {target: target}))
    y = alt.Y("loss:Q", title="held-out loss, nats per byte", scale=alt.Scale(domain=[low, high], nice=False))
    x = minutes_axis(domain=[first, last], range=look.names.range, zero=False)
    values = Values({"x": x, "y": y}, look, tooltip(FIELDS), size=45)
    near = (rows["minutes"].between(first, last)) & (rows["loss"].between(low, high))
    # The target is named at its end like the lines, where none of them crosses its name.
    end = pd.DataFrame([{"line": target, "minutes": last, "loss": NANOGPT_TARGET}])
    chart = alt.Chart(pd.concat([rows[near], end[end["loss"].between(low, high)]], ignore_index=True))
    drawn = chart.transform_filter("datum.variant")
    return alt.layer(
        *reference_line("loss", NANOGPT_TARGET, theme, y=y, names=look.names),
        *values.names(chart, linear_level("loss", low, high), theme),
        values.line(drawn, detail=["line:N", "seed:N"]),
        values.points(drawn),
    )


def _decided(rows: pd.DataFrame) -> tuple[float, float, float, float]:
    """First and last minute, lowest and highest loss of the view: from well above the target until all are past it.

    Without an engine that reaches the target, the view holds everything.
    """
    reached = rows[rows["loss"] <= NANOGPT_TARGET].groupby(["variant", "recipe", "seed"])["minutes"].min()
    if reached.empty:
        return 0.0, float(rows["minutes"].max()), float(rows["loss"].min()) - 0.05, float(rows["loss"].max()) + 0.05
    last = float(reached.max()) * _AFTER
    seen = rows[rows["minutes"] <= last]
    high = NANOGPT_TARGET + _ABOVE
    first = float(seen.loc[seen["loss"] <= high, "minutes"].min())
    return first, last, min(NANOGPT_TARGET, float(seen["loss"].min())) - 0.03, high


def headline(rows: pd.DataFrame) -> str:
    """State when the first and the last program reached the target."""
    reached = rows[rows["loss"] <= NANOGPT_TARGET].sort_values("minutes", kind="stable")
    first = reached.drop_duplicates(["variant", "recipe", "seed"])
    several = rows["recipe"].nunique() > 1
    times = [
        (label_of(str(variant)) + f" at {group['preset'].iloc[0]}" * several, f"in {_time(group)}")
        for (variant, _), group in first.groupby(["variant", "recipe"], sort=False)
    ]
    if not times:
        return f"No engine reached a loss of {NANOGPT_TARGET:g}"
    (name, time), *others = times
    last = "".join(f", {' '.join(other)}" for other in others[-1:])
    of_all = f"first and last of {len(times)}, " * (len(times) > 2)
    each = {1: "one run"}.get(n := int(rows["seed"].nunique()), f"{n} runs")
    return f"{name} reaches a loss of {NANOGPT_TARGET:g} {time}{last} ({of_all}{each} each)"


def _time(reached: pd.DataFrame) -> str:
    """The time of the first evaluation at the target, over the seeds."""
    seconds = reached["minutes"] * 60
    return quantities.durations(float(seconds.min()), float(seconds.max()))


def describe(rows: pd.DataFrame) -> str:
    """Describe when each program reached the target, and its lowest loss."""
    parts = []
    for (variant, recipe), group in rows.groupby(["variant", "recipe"], sort=False):
        reached = group[group["loss"] <= NANOGPT_TARGET].sort_values("step").drop_duplicates("seed")
        when = f"after {_time(reached)}" if len(reached) else "never"
        parts.append(f"{variant} ({recipe}) at {NANOGPT_TARGET:g} {when}, lowest {group['loss'].min():.3f}")
    return f"Held-out loss over time of training. {'; '.join(parts)}."
