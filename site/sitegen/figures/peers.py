"""Our step time against everybody else's, and against the matrix products alone.

    ratio(other, preset) = median step time of the other / ours, within one run on one machine

Above 1 we are faster. The roofline is one of the others: its ratio is the share of our step that the products would
take by themselves, so it lies below 1 and nothing lies below it for long.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.registry import OURS, REFERENCE
from sitegen.figures.base import (
    HEIGHT,
    Column,
    Drawing,
    Figure,
    describe_ends,
    describe_failures,
    failure_layer,
    log_axis,
    log_domain,
    log_ticks,
    machine_dash,
    parameter_axis,
    stack_failures,
    text,
    tooltip,
    variant_encodings,
)
from sitegen.rows.peers import TRAINING_COMMAND, peer_frame
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.palette import Theme

_FIELDS = (
    "state", "variant", "preset", "n_parameters", "speedup", "speedup_low", "speedup_high", "speedup_text", "interval",
    "time_text", "slot", "status", "reason", "evidence", "machine", "protocol", "command", "measured_on",
)  # fmt: skip


def peers_rows(results: Results) -> pd.DataFrame:
    """One row per peer and preset, the roofline's included; failed cells too, where anything could be compared."""
    rows = peer_frame(results.training_ratios)
    rows = rows[~rows["variant"].isin([REFERENCE, OURS])]
    rows = rows[(rows["state"] == "failed") | rows["speedup"].notna()].reset_index(drop=True)
    if rows.empty or not rows["speedup"].notna().any():
        return pd.DataFrame(columns=[*_FIELDS])
    rows["protocol"] = [f"protocol {name[:8]}" for name in rows["protocol_hash"]]
    rows["slot"] = stack_failures(rows)
    return rows[[*_FIELDS]]


def peers_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of the ratio over parameters, log-log, with intervals, our own 1×, and failures at the bottom."""
    variants = list(dict.fromkeys(rows["variant"]))
    color, shape = variant_encodings(variants, theme)
    x = parameter_axis(rows)
    chart = alt.Chart(rows)
    failures = failure_layer(chart, rows, color, x)
    values = pd.concat([pd.Series([1.0]), rows["speedup"], rows["speedup_low"], rows["speedup_high"]])
    domain = log_domain(values, failures=bool(failures))
    y = alt.Y(
        "speedup:Q",
        title="their time over ours: above 1× we are faster (log scale)",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=log_axis(log_ticks(domain), label="format(datum.value, ',~r') + '×'"),
    )
    one = alt.Chart(pd.DataFrame({"one": [1.0]}))
    measured = chart.transform_filter("datum.state == 'measured'")
    layers = [
        one.mark_rule(color=theme.muted, strokeDash=[3, 3], opacity=0.9).encode(y=alt.Y("one:Q")),
        measured.mark_line(strokeWidth=2.2, opacity=0.9).encode(
            x=x, y=y, color=color, detail=["machine:N"], **machine_dash(rows)
        ),
        measured.mark_rule(strokeWidth=1.6, opacity=0.8).encode(
            x=x, y=alt.Y("speedup_low:Q"), y2="speedup_high:Q", color=color
        ),
        measured.mark_point(filled=True, size=95, opacity=1).encode(
            x=x,
            y=y,
            color=color,
            shape=shape,
            tooltip=tooltip(
                ("variant:N", "peer"),
                ("preset:N", "preset"),
                ("speedup_text:N", "its time over ours"),
                ("interval:N", "interval"),
                ("time_text:N", "its step"),
                ("evidence:N", "evidence"),
                ("machine:N", "machine"),
                ("command:N", "to repeat it"),
            ),
        ),
    ]
    return alt.layer(*layers, *failures).properties(width="container", height=HEIGHT)


def describe_peers(rows: pd.DataFrame) -> str:
    """The ratio at the ends of each peer's range, and the number of failures."""
    ends = describe_ends(rows[rows["state"] == "measured"], "speedup_text")
    return f"Step time of each peer over ours, by model size; above 1 we are faster. {ends}{describe_failures(rows)}"


PEERS_FIGURE = Figure(
    name="peers",
    title="Against its peers: a training step",
    summary="How many times our step each peer's takes, over the model's size, within one run. Above the dashed line "
    "we are faster. The roofline is the time of the matrix products alone: below 1 by what our step spends besides.",
    rows=peers_rows,
    chart=peers_chart,
    describe=describe_peers,
    columns=(
        Column("variant", "peer", text),
        Column("preset", "preset", text),
        Column("speedup", "its time over ours", lambda value: quantities.ratio(value) if value == value else "failed"),
        Column("interval", "interval", text),
        Column("time_text", "its step", text),
        Column("evidence", "evidence", text),
        Column("machine", "machine", text),
        Column("reason", "failure", text),
    ),
    needs="the vectorized engine measured beside a peer in one run",
    command=TRAINING_COMMAND,
)
