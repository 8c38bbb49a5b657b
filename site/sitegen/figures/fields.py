"""The fields of a figure's rows, declared once for tooltips, the table behind the figure and the downloads.

Their order is that of the lines in a tooltip and of the columns in the table and the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import Any

import altair as alt
import pandas as pd


class ShownIn(Flag):
    """The places that show a field, besides the downloads."""

    NOWHERE = 0
    POINT = auto()  # tooltip of a point
    CROSS = auto()  # tooltip of a failure's cross
    TABLE = auto()


NOWHERE, POINT, CROSS, TABLE = ShownIn.NOWHERE, ShownIn.POINT, ShownIn.CROSS, ShownIn.TABLE


def text(value: object) -> str:
    """A table cell's text; missing values are empty."""
    return "" if is_missing(value) else str(value)


def is_missing(value: object) -> bool:
    """True for the values that mean "none": None, NaN and the empty text."""
    return value is None or value == "" or value != value


@dataclass(frozen=True)
class Field:
    """A column of a figure's rows.

    Attributes:
        name: of the column.
        title: heading in tooltips and in the table.
        shown: places that show it.
        write: value → text, in the table.
        missing: the table's text in place of a missing value.
        type: Vega's type in tooltips: "N" for text, "Q" for a number.
        format: of a number in a tooltip; Vega's default when empty.
        derive: rows → values, for a column that follows from others.
        exported: whether the downloads have it.
    """

    name: str
    title: str = ""
    shown: ShownIn = NOWHERE
    write: Callable[[Any], str] = text
    missing: str = ""
    type: str = "N"
    format: str = ""
    derive: Callable[[pd.DataFrame], Iterable[Any]] | None = None
    exported: bool = True

    def cell(self, value: Any) -> str:
        """The table's text for a value."""
        return self.missing if is_missing(value) else self.write(value)


def exported(*names: str) -> tuple[Field, ...]:
    """Fields of the chart and the downloads alone, without a title."""
    return tuple(Field(name) for name in names)


def written(
    name: str, title: str, write: Callable[[Any], str], text_name: str, missing: str = "", short: Any = None
) -> tuple[Field, Field]:
    """A number, which the table sorts by, and the column ``text_name`` with its text, for tooltips.

    ``short`` writes the text of tooltips, if that differs from the table's.
    """
    return (
        Field(name, title, TABLE, write, missing),
        Field(text_name, title, POINT, derive=lambda rows: _texts(rows, [name], short or write)),
    )


def interval(
    low: str, high: str, write: Callable[[Any], str], name: str = "interval", title: str = "interval"
) -> Field:
    """The interval between two other fields, in words."""

    def both(*ends: Any) -> str:
        return " to ".join(map(write, ends))

    return Field(name, title, POINT | TABLE, derive=lambda rows: _texts(rows, [low, high], both))


def _texts(rows: pd.DataFrame, names: list[str], write: Callable[..., str]) -> list[str]:
    records = zip(*(rows[name] for name in names), strict=True)
    return ["" if any(map(is_missing, values)) else write(*values) for values in records]


def with_fields(rows: pd.DataFrame, fields: Iterable[Field]) -> pd.DataFrame:
    """The rows with the columns that are exported, derived ones included, in the order of the fields."""
    fields = [field for field in fields if field.exported]
    if len(rows):
        rows = rows.assign(**{field.name: list(field.derive(rows)) for field in fields if field.derive})
    return rows.reindex(columns=[field.name for field in fields])


def tooltip(fields: Iterable[Field], shown: ShownIn = POINT, **titles: str) -> list[alt.Tooltip]:
    """The lines of a figure's tooltip; ``titles`` replace those of the fields."""
    return [
        alt.Tooltip(
            f"{field.name}:{field.type}",
            title=titles.get(field.name, field.title),
            format=field.format or alt.Undefined,
        )
        for field in fields
        if shown in field.shown
    ]


# ---- fields of many figures ------------------------------------------------------------------------------

VARIANT = Field("variant", "engine", POINT | CROSS | TABLE)
PRESET = Field("preset", "preset", POINT | CROSS | TABLE)
STATUS = Field("status", "failed", CROSS)
REASON = Field("reason", "reason", CROSS | TABLE)
END = Field("status", "the run's end", POINT)  # of a training run
EVIDENCE = Field("evidence", "evidence", POINT | TABLE)
MACHINE = Field("machine", "machine", POINT | CROSS | TABLE)
PROTOCOL = Field("protocol", "protocol", POINT | CROSS)
COMMAND = Field("command", "to repeat it", POINT | CROSS)
MEASURED_ON = Field("measured_on")

_IN_TABLE = replace(COMMAND, shown=COMMAND.shown | TABLE)
# The origin of a value; with FULL_ORIGIN, the table has the command too.
ORIGIN = (EVIDENCE, MACHINE, COMMAND, MEASURED_ON)
FULL_ORIGIN = (EVIDENCE, MACHINE, _IN_TABLE, MEASURED_ON)


def cell_origin(code: ShownIn) -> tuple[Field, ...]:
    """The origin of a cell, in the words of ``sitegen.rows.cells``; ``code`` is long, so each figure places it."""
    origin = (STATUS, REASON, EVIDENCE, Field("code", "code", code), MACHINE, PROTOCOL, _IN_TABLE)
    return (*origin, Field("verdict"), MEASURED_ON)
