"""Menus of a figure. Their names do not change, because links set them.

show    the lines drawn: ``engines``, ``peers`` too, or ``all`` (``sitegen.rows.series``), in every figure with peers
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from sitegen.figures.axes import variant_encodings
from sitegen.rows.series import ENGINES_ONLY, TIERS, order_series
from sitegen.text.palette import Theme


def menu(name: str, value: str, options: Mapping[str, str], heading: str) -> alt.Parameter:
    """A parameter with a start value, bound to a menu (value → its words) if there is more than one option."""
    if len(options) < 2:
        return alt.param(name=name, value=value)
    labels = [*options.values()]
    bind = alt.binding_select(options=[*options], labels=labels, name=f"{heading} ")
    return alt.param(name=name, value=value, bind=bind)


@dataclass(frozen=True)
class Show:
    """The menu of lines, and the encodings that depend on it.

    Attributes:
        choices: those that show more than the one before.
        parameter: ``show``.
        condition: Vega expression, true for rows to draw.
        color: of the variants, with a legend of those that are shown.
        shape: likewise.
    """

    choices: tuple[str, ...]
    parameter: alt.Parameter
    condition: str
    color: alt.Color
    shape: alt.Shape


def show_menu(rows: pd.DataFrame, theme: Theme) -> Show:
    """The menu for rows with columns ``variant`` and ``tier``; at first it shows engines and peers."""
    choices = _choices(rows)
    listed = {name: order_series(up_to(rows, name)["variant"]) for name in choices}
    color, shape = variant_encodings(rows["variant"], theme, alt.ExprRef(f"({json.dumps(listed)})[show]"))
    return Show(
        choices=tuple(choices),
        parameter=menu("show", _opening(choices), {name: TIERS[name] for name in choices}, "Show"),
        condition=f"datum.tier <= indexof({json.dumps([*TIERS])}, show)",
        color=color,
        shape=shape,
    )


def _choices(rows: pd.DataFrame) -> list[str]:
    present = set(rows["tier"])
    return [name for position, name in enumerate(TIERS) if position in present]


def _opening(choices: Sequence[str]) -> str:
    """The choice that a view opens with: engines and peers, or if there are no engines the first."""
    return choices[min(1, len(choices) - 1)] if choices[0] == ENGINES_ONLY else choices[0]


def in_first_view(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that the view that opens shows, of at least one."""
    return up_to(rows, _opening(_choices(rows)))


def up_to(rows: pd.DataFrame, choice: str) -> pd.DataFrame:
    """The rows that a choice of the menu shows."""
    return rows[rows["tier"] <= list(TIERS).index(choice)]
