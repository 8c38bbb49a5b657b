"""Each fused kernel in each of its forms: nanoseconds a number, with operands in the cache or in memory."""

from __future__ import annotations

import altair as alt
import pandas as pd

from bench.arms.kernel_parts import FORMS
from bench.records.grouping import grouped
from bench.statistics.intervals import ends_in_words
from bench.statistics.kernel_shares import form_comparison, winner
from sitegen.figures.axes import Look, by_name, log_domain, log_scaled
from sitegen.figures.base import Drawing
from sitegen.figures.fields import ORIGIN, POINT, TABLE, Field, exported, tooltip
from sitegen.figures.grammar.line_names import LineNames
from sitegen.figures.grammar.words import first_machine
from sitegen.figures.layers import Values
from sitegen.figures.menus import machine_menu
from sitegen.rows.cells import interval_columns, machine_by_machine
from sitegen.rows.machines import origin_words
from sitegen.rows.ratios import ratio_words
from sitegen.rows.results import Results
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

_SHAPES = ("circle", "triangle-up", "square", "diamond")
_LINE = 30  # pixels from one kernel to the next
FIELDS = (
    Field("kernel", "kernel", POINT | TABLE),
    Field("form", "form", POINT | TABLE),
    Field("place", "operands from", POINT | TABLE),
    Field("nanoseconds", "ns a number", TABLE, "{:.3g}".format),
    Field("time_text", "a number", POINT, derive=lambda rows: map("{:.3g} ns".format, rows["nanoseconds"])),
    Field("interval", "interval", POINT | TABLE),
    Field("ratio_text", "times as fast as NumPy's", POINT | TABLE),
    Field("faster", "fastest, by", POINT | TABLE),
    Field("taken", "taken by the engine", POINT | TABLE),
    *ORIGIN,
    *exported("label", "nanoseconds_low", "nanoseconds_high"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per kernel, place and form."""
    times = form_comparison(results.runs, results.kernels)
    together = grouped(times, lambda time: (time.run.scope, time.kernel, time.place))
    winners = {key: winner(forms) for key, forms in together.items()}
    rows = pd.DataFrame(
        [
            {
                "label": f"{time.kernel.replace('_', ' ')}, {time.place}",
                "kernel": time.kernel,
                "place": time.place,
                "form": FORMS[time.form],
                **interval_columns("nanoseconds", time.nanoseconds.median, time.nanoseconds.low, time.nanoseconds.high),
                "interval": ends_in_words(time.nanoseconds.low, time.nanoseconds.high, "{:.3g} ns".format),
                "faster": winners[time.run.scope, time.kernel, time.place],
                "ratio_text": f"{quantities.ratio(time.ratio.speedup)} ({ratio_words(time.ratio)})"
                if time.ratio
                else "",
                "taken": "yes" if time.is_chosen else "no",
                "evidence": f"{time.n_timings} timings in {quantities.counted(time.n_cells, 'process', 'processes')}",
                **origin_words(time.run),
            }
            for time in times
        ]
    )
    return rows if rows.empty else machine_by_machine(rows, results)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each kernel and place, with a point and an interval for each form, logarithmic."""
    labels = list(dict.fromkeys(rows["label"]))
    forms = [name for name in FORMS.values() if name in set(rows["form"])]
    y = alt.Y("label:N", title=None, sort=labels, axis=alt.Axis(grid=True, labelLimit=190))
    domain = log_domain(pd.concat([rows[f"nanoseconds{end}"] for end in ("", "_low", "_high")]))
    x = log_scaled(alt.X, "nanoseconds", "ns a number (log scale)", domain)
    colors, shapes = zip(*(_looks(theme)[name] for name in forms), strict=True)
    color = by_name(alt.Color, "form", forms, colors, symbolSize=90)
    shape = by_name(alt.Shape, "form", forms, shapes, symbolSize=90)
    values = Values(
        {"x": x, "y": y},
        Look(color, color, shape, LineNames("form", {})),
        tooltip(FIELDS),
        ("nanoseconds_low", "nanoseconds_high"),
        axis="x",
        size=90,
    )
    machine, of_machine = machine_menu(rows)
    chart = alt.Chart(rows).transform_filter(of_machine)
    pairs = chart.mark_line(color=theme.line, strokeWidth=2).encode(**values.place, detail="label:N")
    return alt.layer(pairs, *values.measured(chart)).add_params(machine).properties(height=_LINE * len(labels))


def _looks(theme: Theme) -> dict[str, tuple[str, str]]:
    """Colour and shape of each form: the colour of the engine whose idea it is, a spare one for NumPy's other form."""
    colors = theme.engines["numpy"], theme.spare[0], theme.engines["vectorized"], theme.engines["compiled"]
    return dict(zip(FORMS.values(), zip(colors, _SHAPES, strict=True), strict=True))


def headline(rows: pd.DataFrame) -> str:
    """Count the kernels in which each form is faster, where the rounds agree."""
    rows = first_machine(rows)
    faster = rows.drop_duplicates("label")["faster"].str.rpartition(" ")[0]
    counts = {name: int((faster == name).sum()) for name in FORMS.values() if name in set(rows["form"])}
    first, *others = sorted(counts, key=lambda name: counts[name], reverse=True)
    rest = "".join(f", {name} in {counts[name]}" for name in others if counts[name])
    return f"{first} is fastest in {counts[first]} of {len(faster)} comparisons{rest}"


def describe(rows: pd.DataFrame) -> str:
    """Describe which form is faster, for each kernel and place."""
    firsts = first_machine(rows).drop_duplicates("label")
    parts = "; ".join(f"{label}: {faster}" for label, faster in zip(firsts["label"], firsts["faster"], strict=True))
    return f"Nanoseconds per number of each fused kernel in each form. Fastest, and by how much: {parts}."
