"""Each fused kernel in NumPy's and NumExpr's form: nanoseconds a number, from the cache and from memory."""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.statistics.kernel_shares import form_comparison, winner
from sitegen.figures.base import (
    Column,
    Drawing,
    Figure,
    legend_columns,
    log_domain,
    log_ticks,
    text,
    tooltip,
)
from sitegen.figures.breakdown import COMMAND
from sitegen.rows.machines import machine_label, numbered_labels
from sitegen.rows.ratios import interval_text
from sitegen.rows.results import Results
from sitegen.text import quantities
from sitegen.text.escape import one_line
from sitegen.text.palette import Theme

_NAMES = {"numpy": "NumPy", "numexpr": "NumExpr"}
_LINE = 30  # pixels from one kernel to the next
_FIELDS = (
    "label", "kernel", "place", "form", "nanoseconds", "nanoseconds_low", "nanoseconds_high", "time_text", "interval",
    "faster", "ratio_text", "taken", "evidence", "machine", "command", "measured_on",
)  # fmt: skip


def kernel_forms_rows(results: Results) -> pd.DataFrame:
    """One row per kernel, place and form."""
    times = form_comparison(results.runs, results.kernels)
    machines = [machine_label(time.run) for time in times]
    labels = numbered_labels([f"{time.kernel.replace('_', ' ')}, {time.place}" for time in times], machines)
    return pd.DataFrame(
        [
            {
                "label": label,
                "kernel": time.kernel,
                "place": time.place,
                "form": _NAMES[time.form],
                "nanoseconds": time.nanoseconds.median,
                "nanoseconds_low": time.nanoseconds.low,
                "nanoseconds_high": time.nanoseconds.high,
                "time_text": f"{time.nanoseconds.median:.3g} ns",
                "interval": f"{time.nanoseconds.low:.3g} to {time.nanoseconds.high:.3g} ns",
                "faster": winner(time),
                "ratio_text": f"{quantities.ratio(time.ratio.speedup)} ({interval_text(time.ratio)})",
                "taken": "yes" if time.is_chosen else "no",
                "evidence": f"{time.n_timings} timings in {time.n_cells} "
                f"{'processes' if time.n_cells != 1 else 'process'}",
                "machine": machine,
                "command": one_line(time.run.command, 300),
                "measured_on": quantities.day(time.run.started_at),
            }
            for time, label, machine in zip(times, labels, machines, strict=True)
        ],
        columns=[*_FIELDS],
    )


def kernel_forms_chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each kernel and place: two points with their intervals, logarithmic, and who wins."""
    labels, forms = list(dict.fromkeys(rows["label"])), [*_NAMES.values()]
    y = alt.Y("label:N", title=None, sort=labels, axis=alt.Axis(grid=True, labelLimit=190))
    domain = log_domain(pd.concat([rows["nanoseconds_low"], rows["nanoseconds_high"]]))
    x = alt.X(
        "nanoseconds:Q",
        title="ns a number (log scale)",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(values=log_ticks(domain), labelExpr="format(datum.value, ',~r')", labelOverlap="greedy"),
    )
    legend = alt.Legend(title=None, orient="bottom", columns=legend_columns(forms), symbolSize=90)
    colors = [theme.engines["numpy"], theme.engines["vectorized"]]
    color = alt.Color("form:N", scale=alt.Scale(domain=forms, range=colors), legend=legend)
    shape = alt.Shape("form:N", scale=alt.Scale(domain=forms, range=["circle", "square"]), legend=legend)
    chart = alt.Chart(rows)
    layers = [
        chart.mark_line(color=theme.line, strokeWidth=2).encode(x=x, y=y, detail="label:N"),
        chart.mark_rule(strokeWidth=2, opacity=0.8).encode(
            x=alt.X("nanoseconds_low:Q"), x2="nanoseconds_high:Q", y=y, color=color
        ),
        chart.mark_point(filled=True, size=90, opacity=1).encode(
            x=x,
            y=y,
            color=color,
            shape=shape,
            tooltip=tooltip(
                ("kernel:N", "kernel"),
                ("form:N", "form"),
                ("place:N", "operands from"),
                ("time_text:N", "a number"),
                ("interval:N", "interval"),
                ("ratio_text:N", "NumExpr's time over NumPy's"),
                ("faster:N", "faster, by"),
                ("taken:N", "taken by the engine"),
                ("evidence:N", "evidence"),
                ("machine:N", "machine"),
                ("command:N", "to repeat it"),
            ),
        ),
    ]
    return alt.layer(*layers).properties(width="container", height=_LINE * len(labels))


def describe_kernel_forms(rows: pd.DataFrame) -> str:
    """For each kernel and place, which form is faster."""
    firsts = rows.drop_duplicates("label")
    parts = "; ".join(f"{label}: {faster}" for label, faster in zip(firsts["label"], firsts["faster"], strict=True))
    return f"Nanoseconds a number of each fused kernel in NumPy's and NumExpr's form. Faster, and by how much: {parts}."


KERNEL_FORMS = Figure(
    name="kernel_forms",
    title="NumPy against NumExpr, kernel by kernel",
    summary="Time of a fused kernel per number on one thread, further left is faster. Operands lie in the cache, as "
    "between two products of a step, or in memory, as in the optimiser's passes over large models.",
    rows=kernel_forms_rows,
    chart=kernel_forms_chart,
    describe=describe_kernel_forms,
    columns=(
        Column("kernel", "kernel", text),
        Column("place", "operands from", text),
        Column("form", "form", text),
        Column("nanoseconds", "ns a number", lambda value: f"{value:.3g}"),
        Column("interval", "interval", text),
        Column("ratio_text", "NumExpr's time over NumPy's", text),
        Column("faster", "faster, by", text),
        Column("taken", "taken by the engine", text),
        Column("evidence", "evidence", text),
        Column("machine", "machine", text),
    ),
    needs="the fused kernels timed in both forms",
    command=COMMAND,
)
