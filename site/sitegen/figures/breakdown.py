"""Parts of a step of the fast engine as shares of its wall time, a bar for each preset.

The parts add up to the step, because the last of them, ``dispatch``, is the rest (``bench.measuring.kernel_times``).
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.kernel_parts import DISPATCH, PARTS
from bench.arms.registry import OURS
from bench.statistics.kernel_shares import part_shares
from sitegen.figures.axes import by_name
from sitegen.figures.base import Drawing
from sitegen.figures.descriptions import describe_groups
from sitegen.figures.fields import ORIGIN, POINT, PRESET, TABLE, Field, exported, interval, tooltip, written
from sitegen.figures.grammar.words import first_machine
from sitegen.figures.menus import machine_menu
from sitegen.rows.cells import interval_columns, machine_by_machine
from sitegen.rows.machines import origin_words
from sitegen.rows.results import Results, row_dicts
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

_BAR = 38  # pixels from one bar to the next
_WRITTEN_FROM = 0.1  # bars of shares below this have no room for the number

_PLURAL = {"product": "matrix products"}  # parts in a sentence, where their name alone is not enough


def _tenths(share: float) -> str:
    return quantities.percent(share, 1)


FIELDS = (
    Field("part", "part", POINT | TABLE),
    PRESET,
    *written("share", "share of the step", _tenths, "share_text", short=quantities.percent),
    interval("share_low", "share_high", _tenths, "range_text", "in single rounds"),
    Field("time_text", "of it", POINT | TABLE),
    Field("step_text", "median step", POINT | TABLE),
    Field("stopwatch", "added by the stopwatch", POINT | TABLE),
    *ORIGIN,
    *exported("n_parameters", "position", "start", "end"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per preset and part, in the order of the bar's segments."""
    parts = part_shares(results.runs, results.steps, results.kernels)
    rows = pd.DataFrame(
        [
            {
                "preset": part.run.preset,
                "n_parameters": part.run.n_parameters,
                "part": part.part,
                "position": PARTS.index(part.part),
                **interval_columns("share", part.share, part.share_low, part.share_high),
                "time_text": quantities.duration(max(0.0, part.seconds)),
                "step_text": quantities.duration(part.step_seconds),
                "stopwatch": quantities.signed_percent(part.overhead, 1)
                + ", less than none, so noise" * (part.overhead < 0),
                "evidence": one_line(
                    f"{quantities.counted(part.n_steps, 'step')} in {quantities.counted(part.n_rounds, 'round')}, "
                    f"{part.workers} workers, {part.run.resolved_variant}"
                ),
                **origin_words(part.run),
            }
            for part in parts
        ]
    )
    if rows.empty:
        return rows
    rows = machine_by_machine(rows, results)
    # Ends of the segments. Timings that overlap by nanoseconds must not shift the other segments.
    rows["end"] = rows["share"].astype(float).groupby([rows["machine"], rows["preset"]], sort=False).cumsum()
    rows["start"] = rows["end"] - rows["share"]
    return rows


def part_colors(theme: Theme) -> list[str]:
    """A colour for each part: the engine's for the products, grey for dispatch."""
    others = iter((theme.engines["numpy"], *theme.spare))
    named = {"product": theme.engines[OURS], DISPATCH: theme.engines["python"]}
    return [named[part] if part in named else next(others) for part in PARTS]


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Horizontal bars of full length, a segment for each part, with its number where that fits."""
    presets = list(dict.fromkeys(rows.sort_values("n_parameters", kind="stable")["preset"]))
    machine, of_machine = machine_menu(rows)
    y = alt.Y("preset:N", title=None, sort=presets, scale=alt.Scale(paddingInner=0.28, paddingOuter=0.1))
    x = alt.X(
        "start:Q",
        title="share of the step's wall time",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(format="%", tickCount=5),
    )
    color = by_name(alt.Color, "part", PARTS, part_colors(theme), symbolType="square")
    chart = alt.Chart(rows).transform_filter(of_machine)
    bars = chart.mark_bar(stroke=theme.background, strokeWidth=1).encode(
        x=x,
        x2="end:Q",
        y=y,
        color=color,
        order="position:Q",
        tooltip=tooltip(FIELDS),
    )
    numbers = (
        chart.transform_filter(f"datum.share >= {_WRITTEN_FROM}")
        .transform_calculate(middle="(datum.start + datum.end) / 2")
        .mark_text(color=theme.background, fontSize=11.5, tooltip=None)
        .encode(x=alt.X("middle:Q"), y=y, text="share_text:N")
    )
    return alt.layer(bars, numbers).add_params(machine).properties(height=_BAR * len(presets))


def headline(rows: pd.DataFrame) -> str:
    """State the largest part at both ends of the sizes."""
    rows = first_machine(rows)
    largest = rows.loc[rows.groupby("preset", sort=False)["share"].idxmax()].sort_values("n_parameters")
    ends = row_dicts(largest.iloc[[0, -1]].drop_duplicates("preset"))
    words = [
        f"{row['share_text']} of a step at {row['preset']} is {_PLURAL.get(row['part'], row['part'])}" for row in ends
    ]
    return "; ".join(words)


def describe(rows: pd.DataFrame) -> str:
    """Describe the three largest parts of every bar of the view that opens."""

    def words(bar: pd.DataFrame) -> str:
        largest = bar.sort_values("share", ascending=False).head(3)
        return ", ".join(f"{row['part']} {row['share_text']}" for row in row_dicts(largest))

    return f"Share of a step's wall time by part. {describe_groups(first_machine(rows), 'preset', words)}"
