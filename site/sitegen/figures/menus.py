"""Menus of a figure: what a reader can choose, under names that do not change, because links set them.

show    who is drawn: ``engines``, ``peers`` too, or ``all`` (``sitegen.rows.series``), in every figure with peers
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt
import pandas as pd

from sitegen.figures.axes import variant_encodings
from sitegen.rows.series import TIERS, order_series, tier_of
from sitegen.text.palette import Theme


def menu(name: str, value: str, options: Mapping[str, str], heading: str) -> alt.Parameter:
    """A parameter of the reader's, bound to a menu only where there is something to choose.

    Args:
        name: of the parameter.
        value: that it starts with.
        options: value → its words.
        heading: beside the menu.
    """
    if len(options) < 2:
        return alt.param(name=name, value=value)
    labels = [*options.values()]
    bind = alt.binding_select(options=[*options], labels=labels, name=f"{heading} ")
    return alt.param(name=name, value=value, bind=bind)


@dataclass(frozen=True)
class Show:
    """The menu of lines, and what follows from it.

    Attributes:
        choices: those that each show something which the one before does not.
        parameter: ``show``.
        condition: Vega expression that holds for the rows to be drawn.
        color: of the variants, with a legend of those that are shown.
        shape: likewise.
    """

    choices: tuple[str, ...]
    parameter: alt.Parameter
    condition: str
    color: alt.Color
    shape: alt.Shape


def show_menu(rows: pd.DataFrame, theme: Theme) -> Show:
    """The menu for some rows; it starts with the peers beside the engines.

    Args:
        rows: columns ``variant`` and ``tier``.
        theme: gives the colours.
    """
    present = set(rows["tier"])
    choices = [name for position, name in enumerate(TIERS) if position in present]
    listed = {name: order_series(up_to(rows, name)["variant"]) for name in choices}
    color, shape = variant_encodings(rows["variant"], theme, alt.ExprRef(f"({json.dumps(listed)})[show]"))
    start = choices[min(1, len(choices) - 1)] if tier_of("python") in present else choices[0]
    return Show(
        choices=tuple(choices),
        parameter=menu("show", start, {name: TIERS[name] for name in choices}, "Show"),
        condition=f"datum.tier <= indexof({json.dumps([*TIERS])}, show)",
        color=color,
        shape=shape,
    )


def up_to(rows: pd.DataFrame, choice: str) -> pd.DataFrame:
    """The rows that a choice shows."""
    return rows[rows["tier"] <= list(TIERS).index(choice)]
