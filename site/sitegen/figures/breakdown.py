"""Where a step of the fast engine goes: its parts as shares of the wall time, one bar for each preset.

The parts add up to the step, because the last of them, ``dispatch``, is what the others leave
(``bench.measuring.kernel_times``).
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.kernel_parts import DISPATCH, PARTS
from bench.arms.registry import OURS
from bench.statistics.kernel_shares import part_shares
from sitegen.figures.base import Column, Drawing, Figure, legend_columns, text, tooltip
from sitegen.rows.machines import machine_label, numbered_labels
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.palette import Theme

COMMAND = "invoke bench --kernels"

_BAR = 38  # pixels from one bar to the next
_WRITTEN_FROM = 0.1  # shares below this have no room for their figure
_FIELDS = (
    "label", "preset", "n_parameters", "part", "position", "share", "start", "end", "share_text", "range_text",
    "time_text", "step_text", "stopwatch", "evidence", "machine", "command", "measured_on",
)  # fmt: skip


def breakdown_rows(results: Results) -> pd.DataFrame:
    """One row per preset and part, in the order of the bar's segments."""
    parts = part_shares(results.runs, results.steps, results.kernels)
    machines = [machine_label(part.run) for part in parts]
    labels = numbered_labels([part.run.preset for part in parts], machines)
    rows = pd.DataFrame(
        [
            {
                "label": label,
                "preset": part.run.preset,
                "n_parameters": part.run.n_parameters,
                "part": part.part,
                "position": PARTS.index(part.part),
                "share": part.share,
                "share_text": quantities.percent(part.share),
                "range_text": f"{quantities.percent(part.share_low, 1)} to {quantities.percent(part.share_high, 1)}",
                "time_text": quantities.duration(max(0.0, part.seconds)),
                "step_text": quantities.duration(part.step_seconds),
                "stopwatch": quantities.signed_percent(part.overhead, 1),
                "evidence": one_line(
                    f"{part.n_steps} steps in {part.n_rounds} rounds, {part.workers} workers, "
                    f"{part.run.resolved_variant}"
                ),
                "machine": machine,
                "command": one_line(part.run.command, 300),
                "measured_on": quantities.day(part.run.started_at),
            }
            for part, label, machine in zip(parts, labels, machines, strict=True)
        ],
        columns=[*_FIELDS],
    )
    # Where a segment begins and ends. A stopwatch that overlaps itself by nanoseconds must not shift the others.
    rows["end"] = rows["share"].astype(float).groupby(rows["label"], sort=False).cumsum()
    rows["start"] = rows["end"] - rows["share"]
    return rows


def part_colors(theme: Theme) -> list[str]:
    """A colour for each part: the engine's own for the products, grey for what is no work at all."""
    others = iter((theme.engines["numpy"], *theme.spare))
    named = {"product": theme.engines[OURS], DISPATCH: theme.engines["python"]}
    return [named[part] if part in named else next(others) for part in PARTS]


def breakdown_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Horizontal bars of full length, a segment for each part, with the figure where it fits."""
    labels = list(dict.fromkeys(rows["label"]))
    y = alt.Y("label:N", title=None, sort=labels, scale=alt.Scale(paddingInner=0.28, paddingOuter=0.1))
    x = alt.X(
        "start:Q",
        title="share of the step's wall time",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(format="%", tickCount=5),
    )
    color = alt.Color(
        "part:N",
        scale=alt.Scale(domain=[*PARTS], range=part_colors(theme)),
        legend=alt.Legend(title=None, orient="bottom", columns=legend_columns(PARTS), symbolType="square"),
    )
    chart = alt.Chart(rows)
    bars = chart.mark_bar(stroke=theme.background, strokeWidth=1).encode(
        x=x,
        x2="end:Q",
        y=y,
        color=color,
        order="position:Q",
        tooltip=tooltip(
            ("part:N", "part"),
            ("preset:N", "preset"),
            ("share_text:N", "share of the step"),
            ("range_text:N", "in single rounds"),
            ("time_text:N", "of it"),
            ("step_text:N", "median step"),
            ("stopwatch:N", "added by the stopwatch"),
            ("evidence:N", "evidence"),
            ("machine:N", "machine"),
            ("command:N", "to repeat it"),
        ),
    )
    figures = (
        chart.transform_filter(f"datum.share >= {_WRITTEN_FROM}")
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_text(color=theme.background, fontSize=11.5, tooltip=None)
        .encode(x=alt.X("middle:Q"), y=y, text="share_text:N")
    )
    return alt.layer(bars, figures).properties(width="container", height=_BAR * len(labels))


def describe_breakdown(rows: pd.DataFrame) -> str:
    """The three largest parts of every bar."""
    sentences = []
    for label, bar in rows.groupby("label", sort=False):
        largest = bar.sort_values("share", ascending=False).head(3)
        parts = ", ".join(f"{part} {share}" for part, share in zip(largest["part"], largest["share_text"], strict=True))
        sentences.append(f"{label}: {parts}.")
    return f"Share of a step's wall time by part. {' '.join(sentences)}"


BREAKDOWN = Figure(
    name="breakdown",
    title="Where a step of the fast engine goes",
    summary="Each bar is the wall time of a training step of vectorized with its defaults, averaged over the workers. "
    "Dispatch is what the other parts leave: waiting for the other workers, handing out work, Python in between.",
    rows=breakdown_rows,
    chart=breakdown_chart,
    describe=describe_breakdown,
    columns=(
        Column("preset", "preset", text),
        Column("part", "part", text),
        Column("share", "share of the step", lambda share: quantities.percent(share, 1)),
        Column("range_text", "in single rounds", text),
        Column("time_text", "of it", text),
        Column("step_text", "median step", text),
        Column("stopwatch", "added by the stopwatch", text),
        Column("evidence", "evidence", text),
        Column("machine", "machine", text),
    ),
    needs="a step of vectorized timed part by part",
    command=COMMAND,
)
