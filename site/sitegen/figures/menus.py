"""Choices that a figure offers. Their names do not change, because links set them.

show    the lines drawn: ``engines``, ``peers`` too, or ``all`` (``sitegen.rows.series``), in every figure with peers
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from sitegen.figures.axes import Look, variant_look
from sitegen.figures.grammar.words import first_machine, short_machine
from sitegen.rows.series import ENGINES_ONLY, TIERS
from sitegen.text.palette import Theme

# Choices that are buttons, side by side.
_MOST_BUTTONS, _LONGEST_BUTTON = 9, 34
_LONGEST_MACHINE = 60  # a machine's own button, which may be a line of its own


def menu(
    name: str, value: str, options: Mapping[str, str], heading: str, longest: int = _LONGEST_BUTTON
) -> alt.Parameter:
    """A parameter with a start value; more than one option (value → its words) are a row of buttons.

    Options that are longer than ``longest`` letters, or many, are a menu.
    """
    if len(options) < 2:
        return alt.param(name=name, value=value)
    labels = [*options.values()]
    short = len(labels) <= _MOST_BUTTONS and max(map(len, labels)) <= longest
    bind = (alt.binding_radio if short else alt.binding_select)(options=[*options], labels=labels, name=f"{heading} ")
    return alt.param(name=name, value=value, bind=bind)


def machine_menu(rows: pd.DataFrame) -> tuple[alt.Parameter, str]:
    """Buttons for the machines, which are never in one picture, and the Vega expression of the rows to draw."""
    start = str(first_machine(rows)["machine"].iloc[0])
    words = {machine: _cut(short_machine(machine)) for machine in dict.fromkeys([start, *rows["machine"]]) if machine}
    parameter = menu("machine", start, words, "Machine", _LONGEST_MACHINE)
    return parameter, "!datum.machine || datum.machine === machine"


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST_MACHINE else f"{words[: _LONGEST_MACHINE - 1]}…"


@dataclass(frozen=True)
class Show:
    """The choice of lines, and their look.

    Attributes:
        choices: those that show more than the one before.
        parameters: ``show`` and ``machine``.
        condition: Vega expression, true for rows to draw.
        look: of the variants.
    """

    choices: tuple[str, ...]
    parameters: tuple[alt.Parameter, ...]
    condition: str
    look: Look


def show_menu(rows: pd.DataFrame, theme: Theme, machines: bool = True) -> Show:
    """The choice for rows with columns ``variant`` and ``tier``; at first it shows engines and peers.

    ``machines`` adds the choice of one machine.
    """
    choices = _choices(rows)
    parameters = [menu("show", _opening(choices), {name: TIERS[name] for name in choices}, "Show")]
    condition = f"datum.tier <= indexof({json.dumps([*TIERS])}, show)"
    if machines:
        machine, of_machine = machine_menu(rows)
        parameters.append(machine)
        condition = f"{condition} && ({of_machine})"
    return Show(tuple(choices), tuple(parameters), condition, variant_look(rows["variant"], theme))


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
