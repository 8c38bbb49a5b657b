"""Tables in the terminal that never cut a number: a narrow terminal gets fewer columns, most important ones kept.

Columns give way in this order until the table fits: headings break between words, the columns of ``spare`` go one by
one, names break before brackets and after commas and hyphens, and at last columns go from the right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench.statistics.noise import NO_FLOOR, Floor, ratio_verdict
from bench.statistics.ratios import Ratio
from tinygpt.terminal.quantities import DASH, ratio

UNRESOLVED = "~"
UNRESOLVED_NOTE = f"{UNRESOLVED} unresolved: fewer than six rounds, or the interval holds 1×, or noise is larger"
_GAP = 2  # characters between columns
_BREAK = re.compile(r"(?<=\s)|(?=\[)|(?<=[,+-])(?=[a-z])")


def ratio_text(found: Ratio | None, floor: Floor = NO_FLOOR) -> str:
    """A ratio with a mark if it is unresolved (:data:`UNRESOLVED_NOTE`); a dash for None."""
    if found is None:
        return DASH
    return UNRESOLVED * (ratio_verdict(found, floor) == "unresolved") + ratio(found.speedup)


def print_table(
    console: Console,
    names: Sequence[str],
    numbers: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    spare: Sequence[str] = (),
) -> None:
    """Print the columns that fit.

    Args:
        console: its width is the limit.
        names: headings of the first columns, aligned left, which may break.
        numbers: headings of the other columns, aligned right, whose texts never break.
        rows: texts without markup, columns absent at the end are blank; an empty row is a line.
        spare: headings of columns that can be missed, the least important first.
    """
    headings, rows = [*names, *numbers], [*rows]
    columns = [[str(row[i]) for row in rows if i < len(row)] for i in range(len(headings))]
    broken = [max(map(cell_len, heading.split()), default=0) for heading in headings]
    longest = [max(map(cell_len, column), default=0) for column in columns]
    pieces = [
        max((cell_len(p.rstrip()) for text in column for p in _BREAK.split(text)), default=0) for column in columns
    ]
    whole = [max(cell_len(heading), width) for heading, width in zip(headings, longest, strict=True)]
    widths = [max(pair) for pair in zip(broken, longest, strict=True)]
    shown = [*range(len(headings))]

    def room() -> int:
        return console.width + _GAP - sum(widths[i] + _GAP for i in shown)

    for heading in spare:
        if room() < 0 and heading in headings:
            shown = [i for i in shown if headings[i] != heading]
    if room() < 0:
        widths[: len(names)] = map(max, broken[: len(names)], pieces[: len(names)])
    while room() < 0 and len(shown) > 1:
        shown.pop()
    for i in shown:
        widths[i] += max(0, min(whole[i] - widths[i], room()))

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for i in shown:
        table.add_column(escape(headings[i]), justify="left" if i < len(names) else "right", width=widths[i])
    for row in rows:
        if row:
            table.add_row(*(_broken(row[i], widths[i]) for i in shown if i < len(row)))
        else:
            table.add_section()
    console.print(table)
    console.print()


def _broken(text: str | Text, width: int) -> Text:
    lines = [""]
    for piece in _BREAK.split(str(text)):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return Text(
        "\n".join(line.rstrip() for line in lines), text.style if isinstance(text, Text) else "", overflow="fold"
    )


def print_fields(console: Console, fields: Iterable[tuple[str, str]]) -> None:
    """Print a name and a text on each line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in fields:
        table.add_row(*map(escape, (name, text)))
    console.print(table)
