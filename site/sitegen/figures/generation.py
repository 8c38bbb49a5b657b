"""Generation speed: tokens a second of one text with a key-value cache, by this project and its peers.

tokens per second = length of the text / median time of the whole text, prompt and re-reading included
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from sitegen.figures.base import (
    FAILURE_SHAPE,
    Column,
    Drawing,
    Figure,
    describe_failures,
    log_domain,
    log_ticks,
    text,
    tooltip,
    variant_encodings,
)
from sitegen.rows.machines import numbered_labels
from sitegen.rows.peers import GENERATION_COMMAND, peer_frame
from sitegen.rows.results import Results, records
from sitegen.rows.series import order_series
from sitegen.text import quantities
from sitegen.text.palette import Theme

_LINE = 17  # pixels from one point to the next
_FIELDS = (
    "state", "label", "variant", "preset", "n_parameters", "tokens_per_second", "tokens_low", "tokens_high",
    "tokens_text", "interval", "time_text", "speedup_text", "status", "reason", "evidence", "machine", "command",
    "measured_on",
)  # fmt: skip


def generation_rows(results: Results) -> pd.DataFrame:
    """One row per generator and preset of the run that speaks for the preset; failed ones too."""
    rows = peer_frame(results.generation_ratios)
    rows["label"] = numbered_labels(rows["preset"], rows["machine"])
    rate, seconds = rows["tokens_per_second"].astype(float), rows["seconds"].astype(float)
    rows["tokens_low"] = rate * seconds / rows["seconds_high"].astype(float)
    rows["tokens_high"] = rate * seconds / rows["seconds_low"].astype(float)
    rows["tokens_text"] = [_written(rate) for rate in rows["tokens_per_second"]]
    ends = zip(rows["tokens_low"], rows["tokens_high"], strict=True)
    rows["interval"] = [f"{_written(low)} to {_written(high)}" if pd.notna(low) else "" for low, high in ends]
    return rows[[*_FIELDS]]


def _written(rate: float) -> str:
    return quantities.significant(float(rate)) if pd.notna(rate) else ""


def generation_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line of points for each preset, logarithmic, each with its interval and its figure."""
    labels, variants = list(dict.fromkeys(rows["label"])), order_series(rows["variant"])
    color, shape = variant_encodings(variants, theme)
    y = alt.Y("label:N", title=None, sort=labels, scale=alt.Scale(paddingInner=0.2, paddingOuter=0.1))
    offset = alt.YOffset("variant:N", sort=variants, scale=alt.Scale(domain=variants))
    chart = alt.Chart(rows)
    height = _LINE * len(labels) * (len(variants) + 1)
    told = tooltip(
        ("variant:N", "generator"),
        ("preset:N", "preset"),
        ("tokens_text:N", "tokens a second"),
        ("interval:N", "interval"),
        ("time_text:N", "a text"),
        ("speedup_text:N", "its time over ours"),
        ("status:N", "status"),
        ("reason:N", "reason"),
        ("evidence:N", "evidence"),
        ("machine:N", "machine"),
        ("command:N", "to repeat it"),
    )
    failures = (
        [
            chart.transform_filter("datum.state == 'failed'")
            .mark_point(shape=FAILURE_SHAPE, size=70, strokeWidth=2.2, opacity=1)
            .encode(x=alt.value(8), y=y, yOffset=offset, color=color, tooltip=told)
        ]
        if (rows["state"] == "failed").any()
        else []
    )
    if not (rows["state"] == "measured").any():
        return alt.layer(*failures).properties(width="container", height=height)
    domain = log_domain(pd.concat([rows["tokens_low"], rows["tokens_high"]]), failures=bool(failures))
    domain[1] *= (domain[1] / domain[0]) ** 0.12  # room for the figure beside the last point
    x = alt.X(
        "tokens_per_second:Q",
        title="tokens a second (log scale)",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(values=log_ticks(domain), labelExpr="format(datum.value, ',~r')", labelOverlap="greedy"),
    )
    measured = chart.transform_filter("datum.state == 'measured'")
    layers = [
        measured.mark_rule(strokeWidth=1.8, opacity=0.8).encode(
            x=alt.X("tokens_low:Q"), x2="tokens_high:Q", y=y, yOffset=offset, color=color
        ),
        measured.mark_point(filled=True, size=80, opacity=1).encode(
            x=x, y=y, yOffset=offset, color=color, shape=shape, tooltip=told
        ),
        measured.mark_text(align="left", dx=9, baseline="middle", fontSize=11).encode(
            x=alt.X("tokens_high:Q"), y=y, yOffset=offset, text="tokens_text:N"
        ),
    ]
    return alt.layer(*layers, *failures).properties(width="container", height=height)


def describe_generation(rows: pd.DataFrame) -> str:
    """Tokens a second of everybody, preset by preset."""
    measured = rows[rows["state"] == "measured"]
    sentences = []
    for label, group in measured.groupby("label", sort=False):
        parts = ", ".join(f"{row['variant']} {row['tokens_text']}" for row in records(group))
        sentences.append(f"{label}: {parts}.")
    return f"Tokens a second of one generated text. {' '.join(sentences)}{describe_failures(rows)}"


GENERATION = Figure(
    name="generation",
    title="How fast it writes",
    summary="Tokens a second of one text, greedy, with a key-value cache, prompt and re-reading included. Bars are "
    "intervals, crosses at the left are generators that failed.",
    rows=generation_rows,
    chart=generation_chart,
    describe=describe_generation,
    columns=(
        Column("variant", "generator", text),
        Column("preset", "preset", text),
        Column(
            "tokens_per_second",
            "tokens a second",
            lambda value: quantities.significant(value) if value == value else "failed",
        ),
        Column("interval", "interval", text),
        Column("time_text", "a text", text),
        Column("speedup_text", "its time over ours", text),
        Column("evidence", "evidence", text),
        Column("machine", "machine", text),
        Column("reason", "failure", text),
        Column("command", "to repeat it", text),
    ),
    needs="generation measured beside a peer in one run",
    command=GENERATION_COMMAND,
)
