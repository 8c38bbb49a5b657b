"""The fast engine over the reference, machine by machine: the published ones, and those that people contributed.

    ratio(machine, preset) = step time of numpy / step time of vectorized, within one run

Contributed rows are in this figure and in the tables of its page, and nowhere else.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.registry import OURS, REFERENCE
from bench.records.rows import CONTRIBUTED, PUBLISHED
from sitegen.figures.axes import Look, at_size, by_name, log_domain, log_scaled, parameter_axis
from sitegen.figures.base import Drawing
from sitegen.figures.fields import ORIGIN, POINT, PRESET, TABLE, Field, exported, interval, tooltip, written
from sitegen.figures.grammar.line_names import LineNames, log_level
from sitegen.figures.grammar.words import short_machine
from sitegen.figures.layers import Values, reference_line
from sitegen.rows.contributed import machine_ratios
from sitegen.rows.results import row_dicts
from sitegen.rows.series import series_shapes
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

read = machine_ratios

FIELDS = (
    PRESET,
    *written("speedup", f"times as fast as {REFERENCE}", quantities.ratio, "speedup_text"),
    interval("speedup_low", "speedup_high", quantities.ratio),
    Field("verdict", "verdict", POINT | TABLE),
    *ORIGIN,
    *exported("n_parameters", "origin", "machine_hash", "speedup_low", "speedup_high"),
)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each machine over the model's size, with intervals and its name at the end."""
    machines = list(dict.fromkeys(rows["machine"]))
    color = by_name(alt.Color, "machine", machines, [*theme.engines.values(), *theme.spare], legend=False)
    shape = by_name(alt.Shape, "machine", machines, series_shapes(machines), legend=False)
    names = LineNames("machine", {machine: short_machine(machine) for machine in machines})
    ends = ("speedup_low", "speedup_high")
    domain = log_domain(pd.concat([pd.Series([1.0]), *(rows[name] for name in ("speedup", *ends))]))
    y = log_scaled(alt.Y, "speedup", f"{OURS}: times as fast as {REFERENCE} (log scale)", domain, "×")
    place = {"x": parameter_axis(rows, names), "y": y}
    values = Values(place, Look(color, color, shape, names), tooltip(FIELDS), ends, size=95)
    chart = alt.Chart(at_size(rows))
    return alt.layer(
        *reference_line("one", 1.0, theme, f"1× = {REFERENCE}", names=names),
        *values.names(chart, log_level("speedup", *map(str, domain)), theme),
        values.line(chart),
        *values.by_verdict(chart, theme),
    )


def headline(rows: pd.DataFrame) -> str:
    """Count the machines. No ratio is stated, because headlines quote published rows alone."""
    counts = rows.groupby("origin")["machine_hash"].nunique()
    words = [f"{counts[name]} {name}" for name in (PUBLISHED, CONTRIBUTED) if name in counts]
    return f"{OURS} beside {REFERENCE} on {quantities.listed(words)} machine{'s' * (int(counts.sum()) > 1)}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the ratios of every machine."""
    sentences = []
    for machine, own in rows.groupby("machine", sort=False):
        parts = ", ".join(f"{row['preset']} {row['speedup_text']}" for row in row_dicts(own))
        sentences.append(f"{machine}: {parts}.")
    return f"{OURS} over {REFERENCE} on each machine. {' '.join(sentences)}"
