"""An accelerator compared with the processor: milliseconds a step over model size, and where the curves meet.

A menu selects one of three measures of the same cells:

    step_time   median time of a step; a ring marks where an accelerator's curve crosses our engine's on the processor
    rate        FLOPs of a step's matrix products / its time
    dispatch    the share of a step that does not depend on its size, by the cost model (``bench.planning``)

The two are different machines: nothing is pooled, and no other page quotes their ratio as a speedup.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import altair as alt
import pandas as pd

from bench.arms.devices import ACCELERATED
from bench.arms.registry import OURS
from bench.arms.variants import variant_options
from bench.statistics.accelerator_ratios import crossings
from sitegen.figures.axes import (
    above,
    at_size,
    frame,
    framed,
    log_domain,
    parameter_axis,
    short_count,
    view,
)
from sitegen.figures.base import Drawing
from sitegen.figures.chart_texts import value_expressions
from sitegen.figures.descriptions import describe_ends, describe_failures
from sitegen.figures.fields import CROSS, POINT, PRESET, TABLE, Field, cell_origin, exported, tooltip
from sitegen.figures.grammar.line_names import LineNames, log_level
from sitegen.figures.grammar.words import UNRESOLVED, short_machine
from sitegen.figures.layers import Values
from sitegen.figures.menus import in_first_view, menu, show_menu, up_to
from sitegen.rows.accelerators import (
    ON_ACCELERATOR,
    ON_PROCESSOR,
    accelerator_lines,
    curve,
    dispatch_by_preset,
    overtaking_words,
    step_flops,
)
from sitegen.rows.cells import CELL_TEXT, stack_failures
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import BEST_ON_CPU, label_of, tier_of
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

STEP_TIME, RATE, DISPATCH = "step_time", "rate", "dispatch"
MEASURES = {
    STEP_TIME: "milliseconds of a training step",
    RATE: "GFLOP/s of the matrix products",
    DISPATCH: "share of a step that is dispatch",
}
_CROSSING = "crossing"
FIELDS = (
    Field("variant", "engine", CROSS),
    Field("label", "line", POINT),
    Field("device", "on", TABLE),
    Field("engine", "engine", POINT | TABLE),
    PRESET,
    Field("value_text", "value", POINT),
    # The table has a row for each cell, with all its measures.
    Field(STEP_TIME, "a step", TABLE, missing="failed", exported=False),
    Field("interval", "interval", POINT | TABLE),
    Field(RATE, "rate", TABLE, exported=False),
    Field(DISPATCH, "dispatch", TABLE, exported=False),
    Field("beside", "that is", POINT | TABLE),
    *cell_origin(code=POINT),
    *exported("measure", "state", "tier", "n_parameters", "value", "low", "high", "note", "slot", "line_name"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per measure and cell of each line, per failed cell, and per crossing of two curves."""
    lines = accelerator_lines(results)
    if lines.empty:
        return lines
    theirs = curve(lines[lines["device"] == ON_PROCESSOR], OURS)
    failed = row_dicts(lines[lines["state"] == "failed"])
    readings = [_cell(record) | {"measure": STEP_TIME} for record in failed]
    for _, machine in lines[lines["state"] == "measured"].groupby(["origin", "machine_hash"], sort=False):
        for line, cells in machine.groupby("line", sort=False):
            shares = {} if line == BEST_ON_CPU else dispatch_by_preset(machine, str(line))
            for cell in row_dicts(cells):
                readings += _readings(cell, theirs, shares.get(str(cell["preset"])))
            if (cells["device"] == ON_ACCELERATOR).all():
                readings += _crossings(row_dicts(cells), theirs)
    rows = pd.DataFrame(readings)
    rows["label"] = [label_of(str(line)) for line in rows["variant"]]
    rows["line_name"] = _line_names(rows)
    rows["slot"] = stack_failures(rows, ["n_parameters"])  # all machines are in one view
    # Only the first crossing is labelled: several are too close together for words. Tooltips describe the others.
    crossing = rows["state"] == _CROSSING
    rows["note"] = ("ring: level at " + rows["n_parameters"].map(short_count) + " parameters").where(
        crossing & (crossing.cumsum() == 1), ""
    )
    return rows


def _line_names(rows: pd.DataFrame) -> pd.Series:
    """Names of lines; those of several accelerators have the chip in them."""
    own = rows[rows["device"] == ON_ACCELERATOR]
    chips = {machine: _chip(short_machine(machine)) for machine in own["machine"].unique()}
    names = rows["variant"].map(_in_words)
    return names.where(rows["device"] != ON_ACCELERATOR, names + ", " + rows["machine"].map(chips).fillna(""))


def _in_words(line: str) -> str:
    """A line's name, which a narrow chart can wrap: jax[mesh=2,precision=bfloat16] → jax engine, mesh 2, bfloat16."""
    options = [option.partition("=") for option in variant_options(line).split(",")]
    values = (f"{name} {value}" if value.isdigit() else value or name for name, _, value in options)
    return ", ".join(filter(None, [label_of(line.partition("[")[0]).removesuffix(", GPU"), *values]))


def _chip(machine: str) -> str:
    """The word of an accelerator's name that has a digit: NVIDIA H100 80GB HBM3 → H100."""
    return next((word for word in machine.split() if any(map(str.isdigit, word))), machine)


def _cell(record: dict[str, Any]) -> dict[str, Any]:
    """The columns that all rows of a cell share; those of a measure are empty."""
    shared = {name: record[name] for name in ("device", "preset", "n_parameters", "state", *CELL_TEXT)}
    empty = {"low": None, "high": None, "interval": "", "beside": "", "value": None, "value_text": ""}
    line = {"variant": record["line"], "tier": tier_of(str(record["line"]), record["origin"])}
    return shared | empty | line | {"engine": record["variant"]}


def _readings(
    record: dict[str, Any], theirs: dict[str, float], share: tuple[float, str] | None
) -> list[dict[str, Any]]:
    """The rows of a measured cell: time, rate, and if a cost model fits its line, share of dispatch."""
    cell, preset, seconds = _cell(record), str(record["preset"]), float(record["seconds"])
    ends = (float(record["seconds_low"]), float(record["seconds_high"]))
    flops = step_flops(preset)
    compared = ""
    if record["device"] == ON_ACCELERATOR and preset in theirs:
        compared = f"{quantities.ratio(theirs[preset] / seconds)} as fast as {OURS} on the processor, another machine"
    times = _reading(STEP_TIME, [value * 1e3 for value in (seconds, *ends)], 1e-3, quantities.milliseconds)
    rates = _reading(RATE, [flops / value / 1e9 for value in (seconds, *reversed(ends))], 1e9, quantities.gflops)
    rows = [cell | times | {"beside": compared}, cell | rates]
    if share is not None and share[0] > 0:
        words = {"value_text": quantities.percent(share[0]), "evidence": share[1]}
        rows.append(cell | {"measure": DISPATCH, "value": share[0]} | words)
    return rows


def _reading(measure: str, values: list[float], unit: float, write: Callable[[float], str]) -> dict[str, Any]:
    value, low, high = (write(value * unit) for value in values)
    words = {"value_text": value, "interval": "" if math.isnan(values[1]) else f"{low} to {high}"}
    return {"measure": measure} | dict(zip(("value", "low", "high"), values, strict=True)) | words


def _crossings(cells: list[dict[str, Any]], theirs: dict[str, float]) -> list[dict[str, Any]]:
    """The rows of the crossings between a line of the accelerator and that of our engine on the processor."""
    ours = {str(cell["preset"]): float(cell["seconds"]) for cell in cells}
    return [
        _cell(cells[0])
        | {"measure": STEP_TIME, "state": _CROSSING, "preset": f"{crossing.before} to {crossing.after}"}
        | {"n_parameters": crossing.n_parameters, "value": crossing.seconds * 1e3, "evidence": "between two presets"}
        | {
            "value_text": f"level with {OURS} at about {short_count(crossing.n_parameters)} parameters",
            "beside": f"{'faster' if crossing.ahead else 'slower'} than {OURS} on the processor from here on",
        }
        for crossing in crossings(ours, theirs)
    ]


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines over parameters, log-log, each named with its chip, with intervals, crossings and failures."""
    cells = rows[rows["state"] != _CROSSING]
    show = show_menu(cells, theme, machines=False)
    look = replace(show.look, names=LineNames("line_name", {name: name for name in dict.fromkeys(rows["line_name"])}))
    chart = alt.Chart(_in_numbers(at_size(rows))).transform_filter(show.condition).transform_calculate(**_WORDS)
    place = {"x": parameter_axis(cells, look.names), "y": framed("value")}
    values = Values(place, look, tooltip(FIELDS), ("low", "high"))
    only_times = chart.transform_filter(f"measure == '{STEP_TIME}'")
    failures = values.failed(only_times, cells, tooltip(FIELDS, CROSS))
    measures = {name: words for name, words in MEASURES.items() if (rows["measure"] == name).any()}
    parameters = [menu("measure", STEP_TIME, measures, "Measure"), *show.parameters]
    if not (rows["state"] == "measured").any():
        return alt.layer(*failures).add_params(*parameters)
    parameters.append(frame(_views(cells, show.choices), "measure + '|' + show"))
    chosen = chart.transform_filter("datum.measure == measure")
    measured = chosen.transform_filter("datum.state == 'measured'")
    layers = [
        *values.names(measured, log_level("value", "frame.low", "frame.high"), theme),
        values.line(measured, detail=["line_name:N"]),
        *values.by_verdict(measured, theme),
    ]
    if (rows["state"] == _CROSSING).any():
        crossing = chosen.transform_filter(f"datum.state == '{_CROSSING}'")
        ring = crossing.mark_point(shape="circle", filled=False, size=260, strokeWidth=2, color=theme.ink)
        # In the corner above all lines, because at a ring they would cross some.
        words = crossing.mark_text(align="left", color=theme.ink)
        corner = {"x": alt.XValue(8), "y": alt.YValue(4)}
        layers += [
            ring.encode(**values.place, tooltip=values.tooltip),
            words.encode(**corner, text=alt.Text("note:N")),
        ]
    title = alt.ExprRef(f"({json.dumps(MEASURES)})[measure] + ' (log scale)'")
    return alt.layer(*layers, *failures).add_params(*parameters).properties(title=above(title, theme))


# Vega expressions for the texts that `_reading` writes; a crossing has its text in the data.
_WORDS = value_expressions(
    lambda value: (
        f"(datum.measure == '{DISPATCH}' ? format({value} * 100, '.0f') + ' %' : format({value}, ',.3r') + "
        f"(datum.measure == '{RATE}' ? ' GFLOP/s' : ' ms'))"
    )
)
_WORDS["value_text"] = f"datum.value_text || ({_WORDS['value_text']})"


def _in_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without the texts that the chart computes."""
    crossing = rows["state"] == _CROSSING
    return rows.assign(value_text=rows["value_text"].where(crossing, "")).drop(columns="interval")


def _views(cells: pd.DataFrame, choices: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The vertical axis for every measure and choice of lines."""
    views = {}
    for choice in choices:
        visible = up_to(cells, choice)
        for measure in MEASURES:
            own = visible[visible["measure"] == measure]
            values = pd.concat([own["value"], own["low"], own["high"]]).astype(float)
            domain = log_domain(values, strips=int(measure == STEP_TIME and (own["state"] == "failed").any()))
            views[f"{measure}|{choice}"] = view(domain, _share if measure == DISPATCH else "{:,.15g}".format)
    return views


def _share(tick: float) -> str:
    return f"{tick * 100:.3g} %"


def headline(rows: pd.DataFrame) -> str:
    """State the sizes at which our engine on the first accelerator is faster than ours on the processor."""
    found = _overtakings(rows)
    if found:
        return found[0]
    words = row_dicts(rows[(rows["measure"] == STEP_TIME) & (rows["state"] == "measured")].head(1))
    return f"A step of {words[0]['label']} takes {words[0]['value_text']}" if words else "No step could be measured"


def describe(rows: pd.DataFrame) -> str:
    """Describe step times at the ends of each line, and the sizes at which the accelerator is faster."""
    rows = in_first_view(rows)
    times = rows[(rows["measure"] == STEP_TIME) & (rows["state"] == "measured")]
    faster = [f"{sentence}." for sentence in _overtakings(rows)]
    ends = describe_ends(times.assign(variant=times["label"]), "value_text")
    sentences = ["Milliseconds of a training step by model size, on an accelerator and on a processor.", ends, *faster]
    return " ".join(filter(None, sentences)) + describe_failures(rows)


def _overtakings(rows: pd.DataFrame) -> list[str]:
    """For each line of an accelerator, the sizes at which it is faster than our engine on the processor."""
    times = rows[(rows["measure"] == STEP_TIME) & (rows["state"] == "measured")]
    theirs = _curve_of(times, OURS, ON_PROCESSOR)
    found = []
    for (machine, line), own in times[times["device"] == ON_ACCELERATOR].groupby(["machine", "variant"], sort=False):
        words = overtaking_words(_curve_of(own, str(line), ON_ACCELERATOR), theirs)
        if words:
            name = f"{label_of(str(line))} on {short_machine(str(machine))}"
            doubt = _doubt(own, times[(times["variant"] == OURS) & (times["device"] == ON_PROCESSOR)])
            found.append(f"{name} is faster than {OURS} on the processor {words}{doubt}")
    return found


def _doubt(own: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """The number of presets at which a time of either side is not resolved, in words; nothing without one."""
    both = own.merge(theirs, on="preset", suffixes=("", "_theirs"))
    open_ = int(((both["verdict"] == UNRESOLVED) | (both["verdict_theirs"] == UNRESOLVED)).sum())
    if not open_:
        return ""
    return f" ({UNRESOLVED})" if open_ == len(both) else f" ({UNRESOLVED} at {open_} of {len(both)})"


def _curve_of(times: pd.DataFrame, line: str, device: str) -> dict[str, float]:
    own = times[(times["variant"] == line) & (times["device"] == device)]
    return {str(preset): float(value) for preset, value in zip(own["preset"], own["value"], strict=True)}


def tabulated(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the table: one for each cell with all its measures, and the crossings."""
    cell = ["device", "machine", "variant", "preset", "state"]
    lines = rows[rows["measure"] == STEP_TIME].rename(columns={"value_text": STEP_TIME})
    for measure in (RATE, DISPATCH):
        read = rows.loc[rows["measure"] == measure, [*cell, "value_text"]]
        lines = lines.merge(read.rename(columns={"value_text": measure}), on=cell, how="left")
    lines = lines.fillna({RATE: "", DISPATCH: ""})
    by = ["device", "machine", "first", "variant", "n_parameters"]
    return lines.assign(first=lines["variant"] != ACCELERATED).sort_values(by, kind="stable")
