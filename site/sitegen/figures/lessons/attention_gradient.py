"""An attention of four positions: its weights, the gradient of the weights, and that of the scores.

Keys are 2·I and values are I, of width 4. So q kᵀ / √4 is q, and y = A v is A: the weights and both gradients can be
read off what the library's functions take and return. The loss asks each position for one weight, and is minus their
sum.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from sitegen.figures.base import Drawing
from sitegen.figures.fields import POINT, TABLE, Field, exported, tooltip
from sitegen.rows.results import Results
from sitegen.text.palette import Theme
from tinygpt.layers import attention, attention_backward

SCORES = ((0.5, 0.0, 0.0, 0.0), (1.0, 0.2, 0.0, 0.0), (-0.5, 1.5, 0.3, 0.0), (0.8, 0.1, 1.2, -0.4))
WANTED = (0, 0, 2, 1)  # the position that each one should attend to
MATRICES = MappingProxyType(
    {
        "weights": "The weights A: each row sums to 1",
        "gradient of the weights": "∂loss/∂A: −1 where more is wanted",
        "gradient of the scores": "∂loss/∂S: each row sums to 0",
    }
)
_ROW = 27  # pixels
FIELDS = (
    Field("matrix", "matrix", POINT | TABLE),
    Field("query", "query", POINT | TABLE, "{:.0f}".format),
    Field("key", "key", POINT | TABLE, "{:.0f}".format),
    Field("value", "value", TABLE, "{:.3f}".format),
    Field("text", "value", POINT),
    *exported("line", "size", "sign"),
)


def matrices() -> dict[str, np.ndarray]:
    """The three matrices, (4, 4) each, from the library's forward and backward."""
    size = len(SCORES)
    qkv = np.concatenate([np.array(SCORES), 2.0 * np.eye(size), np.eye(size)], axis=1)[None]  # (1, T, 3 D)
    y, cache = attention(qkv, n_heads=1)
    dy = -np.eye(size)[list(WANTED)][None]  # the loss is −Σ y[i, wanted]
    dqkv = attention_backward(dy, cache)
    return dict(zip(MATRICES, (y[0], dy[0], dqkv[0, :, :size]), strict=True))


def read(results: Results) -> pd.DataFrame:  # noqa: ARG001
    """One row per number; the future, which is masked, has none."""
    rows = []
    for block, (name, matrix) in enumerate(matrices().items()):
        for query, key in zip(*np.tril_indices(len(matrix)), strict=True):
            value = float(matrix[query, key])
            rows.append(
                {
                    "matrix": name,
                    "query": int(query) + 1,
                    "key": int(key) + 1,
                    "value": value,
                    "text": f"{value + 0.0:.2f}".replace("-", "−"),
                    "line": block * (len(matrix) + 1)
                    + int(query)
                    + 1,  # its line in the chart; line 0 of a block is its heading
                    "size": abs(value),
                    "sign": "negative" if value < 0 else "positive",
                }
            )
    return pd.DataFrame(rows)


def chart(rows: pd.DataFrame, theme: Theme) -> Drawing:
    """Three squares of numbers, one below the other, coloured by sign and size."""
    size = len(SCORES)
    lines = [*range(len(MATRICES) * (size + 1))]
    names = {
        block * (size + 1) + query: f"query {query}" for block in range(len(MATRICES)) for query in range(1, size + 1)
    }
    labels = " : ".join(f"datum.value == {line} ? '{name}'" for line, name in names.items())
    plain: dict[str, Any] = {"ticks": False, "domain": False, "labelPadding": 6}
    top = alt.Axis(orient="top", labelAngle=0, labelExpr="'key ' + datum.value", **plain)
    place = {
        "x": alt.X("key:O", title=None, axis=top),
        "y": alt.Y(
            "line:O",
            title=None,
            scale=alt.Scale(domain=lines, paddingInner=0.08),
            axis=alt.Axis(labelExpr=f"{labels} : ''", **plain),
        ),
    }
    chart = alt.Chart(rows)
    cells = chart.mark_rect(cornerRadius=3).encode(
        **place,
        color=alt.Color(
            "sign:N",
            scale=alt.Scale(
                domain=["positive", "negative"], range=[theme.engines["numpy"], theme.engines["vectorized"]]
            ),
            legend=alt.Legend(title=None, orient="bottom", columns=2),
        ),
        fillOpacity=alt.FillOpacity("size:Q", scale=alt.Scale(domain=[0, 1], range=[0.06, 0.6]), legend=None),
        tooltip=tooltip(FIELDS),
    )
    numbers = chart.mark_text(color=theme.ink, fontSize=13).encode(**place, text="text:N")
    headings = pd.DataFrame(
        {"line": [block * (size + 1) for block in range(len(MATRICES))], "words": [*MATRICES.values()]}
    )
    titles = alt.Chart(headings).mark_text(align="left", color=theme.ink, fontSize=12.5, dy=4).encode(
        x=alt.value(2), y=place["y"], text="words:N"
    )  # fmt: skip
    return alt.layer(cells, numbers, titles).properties(height=len(lines) * _ROW)


def headline(rows: pd.DataFrame) -> str:
    """State the largest sum of a row of the scores' gradient."""
    scores = rows[rows["matrix"] == [*MATRICES][-1]]
    largest = scores.groupby("query")["value"].sum().abs().max()
    return f"What one score gains, the others of its row lose: the gradient of each row sums to {largest:.2f}"


def describe(rows: pd.DataFrame) -> str:
    """Describe the last query's row in each matrix."""
    last = rows[rows["query"] == len(SCORES)]
    parts = [f"{name}: {', '.join(group['text'])}" for name, group in last.groupby("matrix", sort=False)]
    return f"Three matrices of four queries by four keys. The last query's row of each. {'; '.join(parts)}."
