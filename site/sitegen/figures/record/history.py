"""The fast engine over the reference at the landmarks of this project's history, all measured in one run.

    ratio(commit, preset) = step time of numpy / step time of the commit's vectorized, rounds in turns

The reference is this checkout's, so that a line moves only where the fast engine does.
"""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import pandas as pd

from bench.arms.registry import OURS, REFERENCE
from bench.statistics.noise import NO_FLOOR, noise_floors, ratio_verdict
from sitegen.figures.axes import Look, by_name, log_domain, log_scaled
from sitegen.figures.base import Drawing
from sitegen.figures.fields import ORIGIN, POINT, PRESET, TABLE, Field, exported, interval, tooltip, written
from sitegen.figures.grammar.line_names import LineNames, log_level
from sitegen.figures.grammar.words import in_doubt, short_ratio
from sitegen.figures.layers import Values, reference_line
from sitegen.rows.cells import interval_columns
from sitegen.rows.history import history_cells, history_points, releases
from sitegen.rows.machines import origin_words
from sitegen.rows.ratios import ratio_evidence
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import series_shapes
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

FIELDS = (
    Field("commit", "commit", POINT | TABLE),
    Field("day", "day", POINT | TABLE),
    Field("change", "what changed", POINT | TABLE),
    PRESET,
    *written("speedup", f"times as fast as {REFERENCE}", quantities.ratio, "speedup_text"),
    interval("speedup_low", "speedup_high", quantities.ratio),
    Field("verdict", "verdict", POINT | TABLE),
    Field("release", "release", POINT),
    *ORIGIN,
    *exported("label", "position", "n_parameters", "speedup_low", "speedup_high"),
)

# A narrow chart has no room for the days.
_LABELS: dict[str, Any] = {
    "labelAngle": -45,
    "grid": False,
    "labelExpr": "room < 500 ? split(datum.label, ',')[0] : datum.label",
    "labelFontSize": alt.ExprRef("room < 500 ? 9 : 11"),
}


def read(results: Results) -> pd.DataFrame:
    """One row per landmark and preset, in the order of the history; this checkout comes last."""
    points = history_points(results)
    commits = list(dict.fromkeys(point.commit for point in points))
    tags, floors = releases(commits), noise_floors(history_cells(results))
    rows: list[dict[str, Any]] = []
    for point in points:
        cell, ratio = point.pair.cell, point.pair.ratio
        release = tags.get(point.commit, "")
        rows.append(
            {
                "commit": point.commit[:9],
                "day": str(point.day),
                "change": point.change,
                "preset": point.preset,
                "n_parameters": cell.n_parameters,
                "label": f"{release or point.commit[:7]}, {point.day:%d %b}",
                "position": commits.index(point.commit),
                **interval_columns("speedup", ratio.speedup, ratio.low, ratio.high),
                "verdict": ratio_verdict(ratio, floors.get(cell.machine_hash, NO_FLOOR)),
                "release": release,
                "evidence": ratio_evidence(ratio),
                **origin_words(cell),
            }
        )
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each preset over the commits, with intervals and its name at the end."""
    presets = list(dict.fromkeys(rows.sort_values("n_parameters")["preset"]))
    labels = list(dict.fromkeys(rows.sort_values("position")["label"]))
    colors = [*theme.engines.values(), *theme.spare][: len(presets)]
    color = by_name(alt.Color, "preset", presets, colors, legend=False)
    shape = by_name(alt.Shape, "preset", presets, series_shapes(presets), legend=False)
    names = LineNames("preset", {preset: preset for preset in presets})
    ends = ("speedup_low", "speedup_high")
    domain = log_domain(pd.concat([pd.Series([1.0]), *(rows[name] for name in ("speedup", *ends))]))
    scale = alt.Scale(type="point", domain=labels, range=names.range, padding=0.5)
    x = alt.X("label:N", title=None, sort=labels, scale=scale, axis=alt.Axis(**_LABELS))
    y = log_scaled(alt.Y, "speedup", f"{OURS}: times as fast as {REFERENCE} (log scale)", domain, "×")
    values = Values({"x": x, "y": y}, Look(color, color, shape, names), tooltip(FIELDS), ends, size=85)
    chart = alt.Chart(rows)
    last = chart.transform_filter(f"datum.label == {json.dumps(labels[-1])}")
    return alt.layer(
        *reference_line("one", 1.0, theme, names=names),
        *values.names(last, log_level("speedup", *map(str, domain)), theme),
        values.line(chart, order="position:Q"),
        *values.by_verdict(chart, theme),
    )


def headline(rows: pd.DataFrame) -> str:
    """State the ratio at the first commit and at the last, at the largest preset."""
    own = rows[rows["n_parameters"] == rows["n_parameters"].max()].sort_values("position")
    first, last = (
        in_doubt(row["speedup"], row["speedup_low"], row["speedup_high"], short_ratio, level=1.0)
        for row in (row_dicts(own)[end] for end in (0, -1))
    )
    way = "up" if own["speedup"].iloc[-1] > own["speedup"].iloc[0] else "down"
    subject = f"At {own['preset'].iloc[0]}, {OURS} is {last} as fast as {REFERENCE}"
    return f"{subject}, {way} from {first}, over {len(own)} commits"


def describe(rows: pd.DataFrame) -> str:
    """Describe the ratio of every preset at the first commit and the last."""
    sentences = []
    for preset, own in rows.groupby("preset", sort=False):
        first, last = (row_dicts(own.sort_values("position"))[end] for end in (0, -1))
        ends = f"{first['speedup_text']} at {first['commit']} to {last['speedup_text']} at {last['commit']}"
        sentences.append(f"{preset}: from {ends}.")
    return f"{OURS} over {REFERENCE} at {rows['commit'].nunique()} commits. {' '.join(sentences)}"
