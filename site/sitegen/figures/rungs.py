"""The rungs of the ladder: how fast each is, beside the lines of code that it costs its reader.

    lines of code = those of the engine and of what it builds on      speed = median step time of numpy / the rung's

Rows are those of ``variants``, whose last stages are the rungs themselves.
"""

from __future__ import annotations

import pandas as pd

from bench.arms.registry import REFERENCE
from sitegen.figures import variants
from sitegen.figures.base import Drawing
from sitegen.figures.fields import ORIGIN, POINT, PRESET, TABLE, Field, exported, interval, written
from sitegen.rows.results import Results, row_dicts
from sitegen.rows.rungs import RUNGS, code_lines
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

FIELDS = (
    PRESET,
    Field("rung", "rung", POINT | TABLE),
    *written("lines", "lines of code", quantities.whole, "lines_text"),
    *written("speedup", "times as fast as numpy", quantities.ratio, "speedup_text"),
    interval("speedup_low", "speedup_high", quantities.ratio),
    *ORIGIN,
    *exported("n_parameters", "variant", "position", "speedup_low", "speedup_high", "slot", "edge_text"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per preset and rung of the preset's chosen run."""
    stages = variants.read(results)
    if stages.empty:
        return stages
    rows = stages[stages["variant"].isin(RUNGS)]
    return rows.assign(
        rung=[RUNGS[variant].name for variant in rows["variant"]], lines=list(map(code_lines, rows["variant"]))
    )


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each preset over the rungs, logarithmic; a tick has a rung's name and its lines of code."""
    rungs = row_dicts(rows.drop_duplicates("lines").sort_values("lines"))
    labels = {row["rung"]: [row["rung"], f"{quantities.whole(row['lines'])} lines"] for row in rungs}
    return variants.stack_chart(rows, theme, "rung", labels, FIELDS)


def headline(rows: pd.DataFrame) -> str:
    """State the fastest rung and its lines beside those of textbook NumPy."""
    plain, top = rows[rows["variant"] == REFERENCE].iloc[0], rows.sort_values("lines").iloc[-1]
    best = rows[rows["lines"] == top["lines"]]["speedup"]
    return (
        f"{top['rung'].capitalize()}: {quantities.ratio(best.min())} to {quantities.ratio(best.max())} as fast as "
        f"numpy, for {quantities.whole(top['lines'])} lines in place of {quantities.whole(plain['lines'])}"
    )


def describe(rows: pd.DataFrame) -> str:
    """Describe every preset's rungs with their lines and ratio to numpy."""
    sentences = []
    for (preset, _), stack in rows.groupby(["preset", "machine"], sort=False):
        parts = ", ".join(f"{row['rung']} {row['speedup_text']}" for row in row_dicts(stack))
        sentences.append(f"{preset}: {parts}.")
    lines = ", ".join(
        f"{row['rung']} {quantities.whole(row['lines'])}" for row in row_dicts(rows.drop_duplicates("rung"))
    )
    return f"Times as fast as numpy over the lines of code ({lines}). {' '.join(sentences)}"
