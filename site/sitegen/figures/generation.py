"""Generation speed: tokens per second of one text with a key-value cache, for our engine and its peers.

tokens per second = length of the text / median time of the whole text, prompt and re-reading included
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import altair as alt
import pandas as pd

from sitegen.figures.axes import log_domain, log_scaled, variant_look
from sitegen.figures.base import Drawing
from sitegen.figures.descriptions import describe_failures, describe_groups
from sitegen.figures.fields import FULL_ORIGIN, POINT, PRESET, TABLE, Field, exported, interval, tooltip, written
from sitegen.figures.grammar.words import UNRESOLVED, first_machine, where
from sitegen.figures.layers import Values
from sitegen.figures.menus import machine_menu
from sitegen.rows.cells import machine_by_machine
from sitegen.rows.peers import peer_frame
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.series import label_of, order_series
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

_LINE = 18  # pixels from one generator to the next
_HEADING = "heading"  # state of a row that names the preset of those below it
FIELDS = (
    Field("variant", "generator", POINT | TABLE),
    PRESET,
    *written("tokens_per_second", "tokens per second", quantities.significant, "tokens_text", missing="failed"),
    interval("tokens_low", "tokens_high", quantities.significant),
    Field("time_text", "a text", POINT | TABLE),
    Field("speedup_text", "its time over ours", POINT | TABLE),
    Field("verdict", "ratio is", POINT | TABLE),
    Field("status", "status", POINT),
    Field("reason", "reason", POINT | TABLE),
    *FULL_ORIGIN,
    *exported("state", "ours", "n_parameters", "tokens_low", "tokens_high", "text_at"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per generator and preset of the preset's chosen run, failures included."""
    rows = peer_frame(results.generation_ratios)
    rows = machine_by_machine(rows, results, rows)
    rate, seconds = rows["tokens_per_second"].astype(float), rows["seconds"].astype(float)
    # Without an interval, the number beside a point is placed at the point.
    rows["text_at"] = (rate * seconds / rows["seconds_low"].astype(float)).fillna(rate)
    rows["tokens_low"] = rate * seconds / rows["seconds_high"].astype(float)
    rows["tokens_high"] = rate * seconds / rows["seconds_low"].astype(float)
    return rows


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each generator below its preset's name, logarithmic, each point with its interval and its number."""
    machine, of_machine = machine_menu(rows)
    look = variant_look(order_series(rows["variant"]), theme)
    lines = _in_lines(rows)
    place = {"y": alt.Y("line:N", axis=None)}
    values = Values(place, look, tooltip(FIELDS), ("tokens_low", "tokens_high"), axis="x")
    names = json.dumps(dict(look.names.labels))
    chart = alt.Chart(lines).transform_filter(of_machine)
    presets = chart.transform_filter(f"datum.state == '{_HEADING}'").mark_text(
        align="left", baseline="middle", color=theme.ink
    )
    failures = values.failed(chart, rows, values.tooltip, x=alt.XValue(8))
    if failures:
        failed = chart.transform_filter("datum.state == 'failed'")
        failed = failed.transform_calculate(words=f"({names})[datum.variant] + ': ' + datum.status")
        words = failed.mark_text(align="left", dx=9, fontSize=11)
        failures.append(words.encode(**place, x=alt.XValue(8), text="words:N", color=alt.ColorValue(theme.muted)))
    layers = [presets.encode(**place, x=alt.XValue(0), text="preset:N")]
    if (rows["state"] == "measured").any():
        domain = log_domain(
            pd.concat([rows["tokens_per_second"], rows["tokens_low"], rows["tokens_high"]]).astype(float),
            strips=int(bool(failures)),
        )
        x = log_scaled(alt.X, "tokens_per_second", "tokens per second (log scale)", domain)
        x["scale"]["range"] = look.names.range  # room for the words beside the last point
        measured = chart.transform_filter("datum.state == 'measured'")
        measured = measured.transform_calculate(words=f"({names})[datum.variant] + ' ' + datum.tokens_text")
        numbers = measured.mark_text(align="left", dx=9, baseline="middle", fontSize=11)
        layers += [
            *replace(values, place={"x": x, **place}).measured(measured),
            numbers.encode(**place, x=alt.X("text_at:Q"), text=alt.Text("words:N"), color=look.color),
        ]
    height = _LINE * int(lines.groupby("machine").size().max())
    return alt.layer(*layers, *failures).add_params(machine).properties(height=height)


def _in_lines(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, and one above those of each machine's preset, with ``line``: names whose order is that of the lines."""
    headings = rows.drop_duplicates(["machine", "preset"])[["machine", "preset", "n_parameters"]]
    every = pd.concat([headings.assign(state=_HEADING, variant=""), rows], ignore_index=True)
    presets = list(dict.fromkeys(rows.sort_values("n_parameters", kind="stable")["preset"]))
    below = ["", *order_series(rows["variant"])]
    places = zip(map(presets.index, every["preset"]), map(below.index, every["variant"]), strict=True)
    return every.assign(line=[f"{preset:02} {variant:02}" for preset, variant in places])


def headline(rows: pd.DataFrame) -> str:
    """Name the fastest generator of the first machine, or those that it is not told apart from, size by size."""
    measured = rows[rows["state"] == "measured"]
    places: dict[str, list[str]] = {}
    for preset, group in first_machine(measured).groupby("preset", sort=False):
        places.setdefault(_lead(group), []).append(str(preset))
    found = [f"{lead} at {quantities.listed(presets)}" for lead, presets in places.items()]
    return f"Generation{where(measured)}: {'; '.join(found)}" if found else "No text could be measured"


def _lead(group: pd.DataFrame) -> str:
    """Say which of the generators of one preset and machine lead, if that is resolved."""
    ranked = row_dicts(group.sort_values("tokens_per_second", ascending=False))
    if len(ranked) == 1:
        return f"{label_of(ranked[0]['variant'])} writes {ranked[0]['tokens_text']} tokens per second"
    level = [ranked[0], *(row for row in ranked[1:] if not _is_behind(row, ranked[0]))]
    if any(math.isnan(row["tokens_low"]) for row in level):  # too few rounds to tell them apart
        return f"the lead is {UNRESOLVED}"
    names = quantities.listed(dict.fromkeys(label_of(row["variant"]) for row in level))
    return f"{names} {'is fastest' if len(level) == 1 else 'are level'}"


def _is_behind(row: dict[str, Any], leader: dict[str, Any]) -> bool:
    """True where a generator is told apart from the leader: by its ratio to ours, two others by their intervals."""
    if row["ours"] in (row["variant"], leader["variant"]):
        other = row if leader["variant"] == row["ours"] else leader
        return bool(other["verdict"] not in ("", UNRESOLVED))
    return bool(row["tokens_high"] < leader["tokens_low"])


def describe(rows: pd.DataFrame) -> str:
    """Describe each generator's tokens per second, preset by preset, in the view that opens."""

    def words(group: pd.DataFrame) -> str:
        return ", ".join(f"{row['variant']} {row['tokens_text']}" for row in row_dicts(group))

    groups = describe_groups(first_machine(rows[rows["state"] == "measured"]), "preset", words)
    return f"Tokens per second of one generated text. {groups}{describe_failures(rows)}"
