"""The learning rate of each update of a run, by recipe."""

from __future__ import annotations

import altair as alt
import pandas as pd

from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field
from sitegen.figures.lessons.curves import curves
from sitegen.rows.results import Results
from sitegen.text.palette import Theme
from tinygpt.presets import PRESETS
from tinygpt.recipes import RECIPES
from tinygpt.schedule import learning_rate_at
from tinygpt.terminal import quantities

STEPS = 2000
_EVERY = 20
_RECIPES = ("cosine", "warmup", "constant")
FIELDS = (
    Field("series", "recipe", POINT | TABLE),
    Field("step", "update", POINT | TABLE, quantities.whole, type="Q"),
    Field("rate", "learning rate", POINT | TABLE, quantities.learning_rate, type="Q", format=".2e"),
)


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """Every twentieth update of a run of 2,000 at ``small``, and the last."""
    preset = PRESETS["small"]
    rows = []
    for name in _RECIPES:
        train = RECIPES[name].apply(preset.train, preset.model, STEPS)
        steps = [*range(0, STEPS, _EVERY), STEPS - 1]
        rows += [{"series": name, "step": step, "rate": learning_rate_at(train, step)} for step in steps]
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """A line for each recipe."""
    x = alt.X("step:Q", title="update", scale=alt.Scale(nice=False), axis=alt.Axis(tickCount=5, grid=False))
    y = alt.Y(
        "rate:Q",
        title="learning rate",
        axis=alt.Axis(labelExpr="datum.value ? format(datum.value, '.1~e') : '0'", tickCount=5),
    )
    return curves(rows, FIELDS, x, y, theme, (0.0, float(rows["rate"].max()) * 1.05))


def tabulated(rows: pd.DataFrame) -> pd.DataFrame:
    """Every two hundredth update."""
    return rows[(rows["step"] % 200 == 0) | (rows["step"] == STEPS - 1)]


def headline(rows: pd.DataFrame) -> str:
    """Compare the highest rates of the first and the last recipe."""
    tops = {name: rows.loc[rows["series"] == name, "rate"].max() for name in _RECIPES}
    (first, top), *_, (last, rate) = tops.items()
    times = quantities.significant(top / rate, 2)
    return f"Recipe {first} rises to {quantities.learning_rate(top)}, {times} times the rate of {last}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the first, highest and last rate of each recipe."""
    parts = []
    for series, group in rows.groupby("series", sort=False):
        first, top, last = (quantities.learning_rate(rate) for rate in (
            group["rate"].iloc[0], group["rate"].max(), group["rate"].iloc[-1],
        ))  # fmt: skip
        parts.append(f"{series}: {first} at first, at most {top}, {last} at the end")
    return f"Learning rate over {STEPS:,} updates. {'; '.join(parts)}."
