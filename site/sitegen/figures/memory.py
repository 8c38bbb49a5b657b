"""Peak memory over model size, and the least that any engine needs.

Training keeps four float32 numbers for every parameter (the weight, its gradient, AdamW's two moments): 16 bytes.
Everything above that is activations, buffers and the interpreter.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.registry import OURS
from bench.records.rows import Kind
from sitegen.figures.axes import at_size, log_domain, log_scaled, parameter_axis
from sitegen.figures.base import Drawing
from sitegen.figures.descriptions import describe_ends
from sitegen.figures.fields import (
    COMMAND,
    EVIDENCE,
    MACHINE,
    POINT,
    PRESET,
    PROTOCOL,
    VARIANT,
    Field,
    exported,
    tooltip,
    written,
)
from sitegen.figures.grammar.line_names import log_level
from sitegen.figures.grammar.words import first_machine
from sitegen.figures.layers import Values, limit
from sitegen.figures.menus import in_first_view, show_menu
from sitegen.rows.cells import cell_frame, machine_by_machine
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import tiers_of
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

BYTES_PER_PARAMETER = 16

_KINDS: tuple[Kind, ...] = ("bench", "peer")  # the products alone hold no model
FIELDS = (
    VARIANT,
    PRESET,
    *written("peak_bytes", "peak memory", quantities.megabytes, "memory_text"),
    EVIDENCE,
    Field("code", "code", POINT),
    MACHINE,
    PROTOCOL,
    COMMAND,
    *exported("state", "tier", "n_parameters", "megabytes", "verdict", "status", "reason", "measured_on"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per measured cell with a known peak, and one per preset with the formula's value."""
    cells = cell_frame(results, _KINDS)
    cells = cells[(cells["state"] == "measured") & cells["peak_bytes"].notna()].copy()
    if cells.empty:
        return cells
    floor = cells.drop_duplicates("preset")[["preset", "n_parameters"]].assign(
        state="formula", variant=f"{BYTES_PER_PARAMETER} bytes a parameter", machine=""
    )
    floor["peak_bytes"] = floor["n_parameters"] * BYTES_PER_PARAMETER
    cells["tier"] = tiers_of(cells)
    rows = pd.concat([cells, floor.assign(tier=0)], ignore_index=True)
    rows["megabytes"] = rows["peak_bytes"] / 1e6
    return machine_by_machine(rows, results)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines of megabytes over parameters, log-log; the limit is the formula."""
    cells = rows[rows["state"] == "measured"]
    show = show_menu(cells, theme)
    domain = log_domain(rows["megabytes"])
    place = {
        "x": parameter_axis(rows, show.look.names),
        "y": log_scaled(alt.Y, "megabytes", "peak memory, MB (log scale)", domain),
    }
    values = Values(place, show.look, tooltip(FIELDS), size=95)
    chart = alt.Chart(at_size(rows)).transform_filter(show.condition)
    measured = chart.transform_filter("datum.state == 'measured'")
    formula = chart.transform_filter("datum.state == 'formula'")
    words = f"limit: {BYTES_PER_PARAMETER} bytes a parameter"
    return alt.layer(
        *limit(formula, place, "height", theme, "height - 12", words),
        *values.names(measured, log_level("megabytes", *map(str, domain)), theme),
        values.line(measured),
        values.points(measured),
    ).add_params(*show.parameters)


def headline(rows: pd.DataFrame) -> str:
    """Compare the peak at the largest preset with the least that any engine needs."""
    cells = rows[rows["state"] == "measured"]
    own = cells[cells["variant"] == OURS]
    largest = row_dicts(first_machine(own if len(own) else cells).sort_values("n_parameters").tail(1))[0]
    least = largest["n_parameters"] * BYTES_PER_PARAMETER
    times = quantities.significant(largest["peak_bytes"] / least, 2)
    peak = f"{largest['variant']} needs {largest['memory_text']} of memory at {largest['preset']}"
    return f"{peak}, {times} times the weights, gradients and moments"


def describe(rows: pd.DataFrame) -> str:
    """Describe the peak at the ends of each engine's range."""
    ends = describe_ends(in_first_view(rows[rows["state"] == "measured"]), "memory_text")
    return f"Peak memory of the training process, by model size. {ends}"
