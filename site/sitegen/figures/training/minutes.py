"""Held-out loss over the minutes of runs by the clock, a line for each number of minutes.

On the way a run is evaluated on a part of the held-out text, at its end on all of it. Its rate falls to nothing with
the time, so only the end shows what the minutes bought.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from sitegen.figures.axes import LABEL_WIDTH, Look, above, by_name, log_domain, log_scaled
from sitegen.figures.base import Drawing
from sitegen.figures.fields import COMMAND, END, MACHINE, POINT, TABLE, Field, exported, tooltip
from sitegen.figures.grammar.line_names import LineNames, linear_level
from sitegen.figures.layers import Values, reference_line
from sitegen.rows.cells import status_text
from sitegen.rows.machines import origin_words
from sitegen.rows.minutes import CORPUS, TARGETS, clock_runs, curve_of
from sitegen.rows.results import Results, row_dicts
from sitegen.text.palette import Theme
from tinygpt.terminal import quantities

_HIGHEST = 2.6  # nats; the view begins below what frequencies of bytes alone give
FIELDS = (
    Field("line", "run", POINT | TABLE),
    Field("loss_text", "held-out loss", POINT | TABLE),
    Field("time_text", "after", POINT | TABLE),
    Field("evaluated", "on", POINT | TABLE),
    END,
    MACHINE,
    COMMAND,
    *exported("variant", "preset", "planned", "minutes", "loss", "run_id", "measured_on"),
)


def read(results: Results) -> pd.DataFrame:
    """One row per evaluation of the newest run of each number of minutes."""
    rows = []
    for one in clock_runs(results):
        curve = curve_of(results, one.run)
        for number, (seconds, loss) in enumerate(curve, 1):
            rows.append(
                {
                    "line": f"{one.minutes:g} min, {one.run.preset}",
                    "variant": one.run.variant,
                    "preset": one.run.preset,
                    "planned": one.minutes,
                    "minutes": seconds / 60,
                    "time_text": quantities.duration(seconds),
                    "loss": loss,
                    "loss_text": f"{loss:.3f} nats per byte",
                    "evaluated": "the whole held-out text" if number == len(curve) else "a part of the held-out text",
                    "status": status_text(one.run),
                    **origin_words(one.run),
                    "run_id": one.run.run_id,
                }
            )
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Lines over the minutes, log scale, and a rule at each target."""
    lines = list(dict.fromkeys(rows["line"]))
    color = by_name(alt.Color, "line", lines, [theme.engines["compiled"], *theme.spare], legend=False)
    look = Look(color, color, alt.Undefined, LineNames("line", {line: line for line in lines}))
    seen = rows[rows["loss"] <= max(_HIGHEST, float(rows["loss"].min()))]
    low = min(*TARGETS, float(seen["loss"].min())) - 0.06
    high = float(seen["loss"].max()) + 0.04
    y = alt.Y(
        "loss:Q", title=None, scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(minExtent=LABEL_WIDTH)
    )
    title = "minutes since the run began (log scale)"
    x = log_scaled(alt.X, "minutes", title, log_domain(seen["minutes"]), range=look.names.range)
    values = Values({"x": x, "y": y}, look, tooltip(FIELDS), size=60)
    chart = alt.Chart(seen)
    rules = [
        layer
        for target in TARGETS
        if low < target < high
        for layer in reference_line("loss", target, theme, f"{target:g}", y, names=look.names)
    ]
    return alt.layer(
        *rules,
        *values.names(chart, linear_level("loss", low, high), theme),
        values.line(chart),
        values.points(chart),
    ).properties(title=above("held-out loss, nats per byte", theme))


def _ends(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The last evaluation of each run, the shortest run first."""
    return row_dicts(rows.groupby("line", sort=False).tail(1))


def headline(rows: pd.DataFrame) -> str:
    """State the loss that the shortest run buys, and the lowest one."""
    ends = _ends(rows)
    shortest, best = ends[0], min(ends, key=lambda row: row["loss"])
    words = f"{_bought(shortest, 'a held-out loss of ')} on {CORPUS}"
    if best is shortest:
        return words
    return f"{words}; {_bought(best)}{', the lowest' * (len(ends) > 2)}"


def _bought(row: dict[str, Any], of: str = "") -> str:
    return f"{quantities.span(row['planned'])} {'buys' if row['planned'] == 1 else 'buy'} {of}{row['loss']:.3f}"


def describe(rows: pd.DataFrame) -> str:
    """Describe where each run ended."""
    ends = [f"{row['line']}: {row['loss_text']} after {row['time_text']}" for row in _ends(rows)]
    return f"Held-out loss over minutes. {'; '.join(ends)}."
