"""Names at the ends of lines, in place of a legend: a column at the right edge, each name beside its line's last point.

Names that would be too close are moved apart, as little as possible. With positions ``y`` from the top, in order, and a
distance of ``GAP``, or more of names in several lines, each is placed between two positions that keep the distance:
pushed down by those above it, and pushed up by those below. With s_i, the sum of heights above the middle of name i:

    t_i = y_i - s_i;   name_i = s_i + (max(t_1 … t_i) + min(t_i … t_n)) / 2
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import altair as alt

from sitegen.text.palette import Theme

GAP = 14  # pixels from one name to the next
_LINE = 12  # pixels from one line of a name to the next
_WRAPPED = 15  # letters in a line of a name for which a narrow chart has no room otherwise
_LETTER = 6.3  # pixels, of a letter
_SLACK = 14  # pixels beside a name, which may have wide letters
_LEAD = 16  # pixels from the plot to the names
_SORTED: list[alt.SortField | dict[str, str]] = [alt.SortField("level", order="ascending")]


def log_level(field: str, low: str, high: str) -> str:
    """Pixels from the top of a value on a logarithmic axis; the ends are Vega expressions."""
    return f"height * (1 - log(datum.{field} / {low}) / log({high} / {low}))"


def linear_level(field: str, low: float, high: float) -> str:
    """Pixels from the top of a value on a linear axis."""
    return f"height * (1 - (datum.{field} - {low}) / {high - low})"


@dataclass(frozen=True)
class LineNames:
    """The names of a chart's lines.

    Attributes:
        field: column that identifies a line.
        labels: its values → names.
    """

    field: str
    labels: Mapping[str, str]

    @property
    def room(self) -> str:
        """Width of the column as a Vega expression: a third of a narrow chart at most, where long names are wrapped."""
        widest = round(_LETTER * max(map(len, self.labels.values()), default=1))
        return f"min({widest + _LEAD + _SLACK}, room * 0.34)"

    @property
    def range(self) -> list[Any]:
        """The horizontal range that leaves the column free."""
        return [0, alt.ExprRef(f"width - {self.room}")]

    def layers(
        self, chart: alt.Chart, place: Mapping[str, Any], color: Any, level: str, theme: Theme
    ) -> list[alt.Chart]:
        """The names, and thin lines that lead to them; below the lines and points of a chart, if it draws them first.

        Args:
            chart: the rows of the lines that are drawn.
            place: encodings of x and y.
            color: of the names.
            level: Vega expression of a row's pixels from the top.
            theme: gives the colour of the thin lines.
        """
        x = str(place["x"].to_dict()["field"])
        # Names come from results: JSON keeps them from being read as code.
        whole = f"({json.dumps({key: [name] for key, name in self.labels.items()})})[datum.{self.field}]"
        parts = {key: textwrap.wrap(name, _WRAPPED, break_long_words=False) for key, name in self.labels.items()}
        fits = f"{_LETTER} * length({whole}[0]) <= {self.room} - {_LEAD}"
        ends = (
            chart.transform_joinaggregate(groupby=[self.field], last=f"max({x})")
            .transform_filter(f"datum.{x} === datum.last")
            .transform_calculate(level=level, line_name=f"{fits} ? {whole} : ({json.dumps(parts)})[datum.{self.field}]")
            .transform_calculate(height=f"{GAP} + {_LINE} * (length(datum.line_name) - 1)")
            .transform_window(through="sum(height)", sort=_SORTED, frame=[None, 0], ignorePeers=True)
            .transform_calculate(above="datum.through - datum.height / 2")
            .transform_calculate(packed="datum.level - datum.above")
            .transform_window(down="max(packed)", sort=_SORTED, frame=[None, 0], ignorePeers=True)
            .transform_window(up="min(packed)", sort=_SORTED, frame=[0, None], ignorePeers=True)
            .transform_calculate(at="datum.above + (datum.down + datum.up) / 2")
        )
        at = alt.Y2Value(alt.ExprRef("datum.at"))
        first = alt.YValue(alt.ExprRef(f"datum.at - (datum.height - {GAP}) / 2"))  # of its lines
        left = f"width - {self.room} + {_LEAD}"
        lead = ends.mark_rule(color=theme.line, tooltip=None).encode(
            x=place["x"], y=place["y"], x2=alt.X2Value(alt.ExprRef(f"{left} - 3")), y2=at
        )
        limit = alt.ExprRef(f"{self.room} - {_LEAD}")
        names = ends.mark_text(
            align="left", baseline="middle", fontSize=11.5, lineHeight=_LINE, limit=limit, tooltip=None
        )
        return [lead, names.encode(x=alt.XValue(alt.ExprRef(left)), y=first, text=alt.Text("line_name:N"), color=color)]
