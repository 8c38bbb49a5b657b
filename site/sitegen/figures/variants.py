"""The gain of each idea: variants that build on each other, measured in one run.

    ratio(stage, preset) = median step time of numpy / the stage's, rounds paired as in ``bench.statistics.ratios``

Stages build on each other: plain Python, textbook NumPy, the fast engine on one thread (buffers, fused kernels, tiles,
folding, blocked attention), its workers as threads, and as processes, which is the default where there is ``fork``;
its kernels compiled; then all of it compiled, on one thread and on all.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from bench.arms.registry import REFERENCE
from bench.records.grouping import best_of_each, grouped
from bench.statistics.ratios import Speedup, speedups
from sitegen.figures.axes import Look, by_name, log_domain, log_scaled
from sitegen.figures.base import Drawing
from sitegen.figures.fields import ORIGIN, POINT, PRESET, TABLE, VARIANT, Field, exported, interval, tooltip, written
from sitegen.figures.grammar.line_names import LineNames, log_level
from sitegen.figures.grammar.words import in_doubt, short_ratio
from sitegen.figures.layers import Values
from sitegen.figures.menus import machine_menu
from sitegen.rows.cells import interval_columns, machine_by_machine
from sitegen.rows.machines import machine_label
from sitegen.rows.ratios import shown_pairs
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import series_shapes
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

BENCH_COMMAND = "invoke bench --suite variants"

# Variant → its name on the axis, in the order of the stack.
STAGES = {
    "python": "python",
    REFERENCE: "numpy",
    "vectorized[threads=1]": "one thread",
    "vectorized[team=threads]": "threads",
    "vectorized": "processes",
    "vectorized[kernels=numba]": "Numba kernels",
    "compiled[threads=1]": "compiled, one thread",
    "compiled": "compiled",
}
_NEEDED = (REFERENCE, "vectorized[threads=1]", "vectorized")  # without these a run shows no stack
OFF_SCALE = 0.25  # ratios below this are text at the lower edge: on the axis they would flatten everything else

FIELDS = (
    PRESET,
    VARIANT,
    *written("speedup", "times as fast as numpy", quantities.ratio, "speedup_text"),
    interval("speedup_low", "speedup_high", quantities.ratio),
    Field("gain", "over the stage before, no interval", POINT | TABLE),
    Field("time_text", "median step", POINT | TABLE),
    *ORIGIN,
    *exported("n_parameters", "stage", "position", "speedup_low", "speedup_high", "slot", "edge_text"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per preset and stage of the preset's chosen run."""
    pairs = [pair for pair in speedups(results.cells, REFERENCE) if pair.cell.variant in STAGES]
    rows = [row for stack in _stacks(pairs) for row in _stack_rows(stack, results)]
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows)
    frame["slot"] = frame.groupby("variant", sort=False)["n_parameters"].rank(method="dense").sub(1)
    return machine_by_machine(frame, results)


def _stacks(pairs: list[Speedup]) -> list[list[Speedup]]:
    """For each machine and preset, the pairs of one run: clean, then with most stages and rounds, then newest."""
    groups = grouped(pairs, lambda pair: pair.cell.together).values()
    whole = [group for group in groups if {*_NEEDED} <= {pair.cell.variant for pair in group}]
    chosen = best_of_each(whole, lambda group: group[0].cell.place, _rank)
    return sorted(chosen, key=lambda group: group[0].cell.published_first)


def _rank(group: list[Speedup]) -> tuple[object, ...]:
    clean = all(pair.cell.is_clean for pair in group)
    depth = min(pair.ratio.n_rounds for pair in group if pair.cell.variant != "python")
    return clean, len(group), depth, max(pair.cell.started_at for pair in group)


def _stack_rows(stack: list[Speedup], results: Results) -> list[dict[str, Any]]:
    found = {pair.cell.variant: (pair, "") for pair in stack}
    if "python" not in found:  # it may have been measured in another run of the machine, with a longer limit
        by_arm = {pair.cell.arm: pair for pair in shown_pairs(results, baselines=(REFERENCE,))}
        if elsewhere := by_arm.get((*stack[0].cell.place, "python")):
            found["python"] = elsewhere, ", from another run"
    rows: list[dict[str, Any]] = []
    for position, variant in enumerate(STAGES):
        if variant not in found:
            continue
        (pair, where), speedup = found[variant], found[variant][0].ratio.speedup
        rows.append(
            {
                "preset": pair.cell.preset,
                "n_parameters": pair.cell.n_parameters,
                "variant": variant,
                "stage": STAGES[variant],
                "position": position,
                **interval_columns("speedup", speedup, pair.ratio.low, pair.ratio.high),
                "gain": quantities.ratio(speedup / rows[-1]["speedup"]) if rows else "",
                "time_text": quantities.duration(pair.cell.seconds.median),
                "edge_text": f"{pair.cell.preset} {quantities.ratio(speedup)}",
                "evidence": quantities.counted(pair.ratio.n_rounds, "round") + where,
                "machine": machine_label(pair.cell),
                "command": one_line(f"{BENCH_COMMAND} --presets {shlex.quote(pair.cell.preset)}"),
                "measured_on": quantities.day(pair.cell.started_at),
            }
        )
    return rows


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each preset over the stages, logarithmic, with intervals; plain Python as text at the lower edge."""
    stages = {stage: stage.split() for stage in STAGES.values() if stage in set(rows["stage"])}
    return stack_chart(rows, theme, "stage", stages, FIELDS)


def stack_chart(
    rows: pd.DataFrame, theme: Theme, field: str, labels: Mapping[str, Sequence[str]], fields: Iterable[Field]
) -> Drawing:
    """Draw a line for each preset through its stages, whose names are in a field.

    Args:
        rows: one per preset and stage.
        theme: gives the colours.
        field: the stage's name.
        labels: name → its lines on the axis, in order.
        fields: of the tooltip.
    """
    presets = list(dict.fromkeys(rows.sort_values("n_parameters")["preset"]))
    colors = [*theme.engines.values(), *theme.spare][: len(presets)]
    color = by_name(alt.Color, "preset", presets, colors, legend=False)
    shape = by_name(alt.Shape, "preset", presets, series_shapes(presets), legend=False)
    names = LineNames("preset", {preset: preset for preset in presets})
    machine, of_machine = machine_menu(rows)
    on_axis = rows[rows["speedup"] >= OFF_SCALE]
    below = len(on_axis) < len(rows)
    domain = log_domain(
        pd.concat([pd.Series([1.0]), on_axis["speedup"], on_axis["speedup_low"], on_axis["speedup_high"]]), int(below)
    )
    y = log_scaled(alt.Y, "speedup", "times as fast as numpy (log scale)", domain, "×")
    look = Look(color, color, shape, names)
    scale = alt.Scale(type="point", domain=[*labels], range=names.range, padding=0.5)
    x = alt.X(f"{field}:N", title=None, sort=[*labels], scale=scale, axis=_turned_axis(labels))
    values = Values({"x": x, "y": y}, look, tooltip(fields), ("speedup_low", "speedup_high"), size=95)
    chart = alt.Chart(rows).transform_filter(of_machine)
    shown = chart.transform_filter(f"datum.speedup >= {OFF_SCALE}")
    last = shown.transform_filter(f"datum.position == {rows['position'].max()}")
    layers = [
        *values.names(last, log_level("speedup", *map(str, domain)), theme),
        values.line(shown, order="position:Q"),
        *values.measured(shown),
    ]
    if below:
        layers.append(values.below(chart.transform_filter(f"datum.speedup < {OFF_SCALE}"), "slot"))
    return alt.layer(*layers).add_params(machine)


def _turned_axis(labels: Mapping[str, Sequence[str]]) -> alt.Axis:
    """An axis whose labels are lines of words; on a phone there is room for them only if they are turned."""
    text = f"({json.dumps(labels)})[datum.value]"
    return alt.Axis(
        labelAngle=alt.ExprRef("room < 500 ? 270 : 0"),
        labelAlign=alt.ExprRef("room < 500 ? 'right' : 'center'"),
        labelBaseline=alt.ExprRef("room < 500 ? 'middle' : 'top'"),
        labelExpr=f"room < 500 ? join({text}, ' ') : {text}",
        labelFontSize=alt.ExprRef("room < 500 ? 10 : 12"),
    )


def headline(rows: pd.DataFrame) -> str:
    """State the ranges of the ratios on one thread and by default, over all presets."""
    ranges = []
    for stage, words in (("one thread", "on one thread"), ("processes", "with all workers"), ("compiled", "compiled")):
        own = rows[rows["stage"] == stage]
        if own.empty:  # rows from before this stage
            continue
        low = own["speedup_low"].astype(float).fillna(own["speedup"]).min()
        high = own["speedup_high"].astype(float).fillna(own["speedup"]).max()
        ranges.append(f"{in_doubt(low, low, high, short_ratio, level=1.0)} {words}")
    return f"Times as fast as {REFERENCE}: {', '.join(ranges)}"


def describe(rows: pd.DataFrame) -> str:
    """Describe every preset's stages with their ratio to numpy."""
    sentences = []
    for (preset, _), stack in rows.groupby(["preset", "machine"], sort=False):
        parts = ", ".join(f"{row['stage']} {row['speedup_text']}" for row in row_dicts(stack))
        sentences.append(f"{preset}: {parts}.")
    return f"Times as fast as numpy, stage by stage. {' '.join(sentences)}"
