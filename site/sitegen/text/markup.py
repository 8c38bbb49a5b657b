"""The HTML that macros put into pages: always on one line, always escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sitegen.text.escape import html_attribute, html_block

_FULL = 20  # rows that fill the height which site.css gives a table
_LONG = 60  # characters; longer table cells may wrap
_SORT_DIGITS = 4  # more than a table cell shows; random-looking digits compress worst in a long table
# A number that site.js reads from a table cell's text: plain, as a ratio or as a share.
_PLAIN = re.compile(r"([−+]?\d[\d,]*(?:\.\d+)?)( %|×?)")


@dataclass(frozen=True)
class TableCell:
    """A table cell or a heading: its text, its sort key, markup in place of the text, and classes of its own."""

    text: str
    sort: float | str | None = None
    html: str | None = None
    classes: str = ""


def number_cell(value: float | None, write: Callable[[float], str], missing: str = "–") -> TableCell:
    """A number as ``write`` formats it, sorted by its value; ``missing`` in place of None and NaN."""
    return TableCell(missing) if value is None or math.isnan(value) else TableCell(write(value), sort=value)


def doubted_cell(text: str, value: float, doubt: str, evidence: str) -> TableCell:
    """A value; in a second, smaller line what must be known to judge it; the evidence in a tooltip of that line."""
    small = f'<small title="{html_attribute(evidence)}">{html_block(doubt)}</small>'
    return TableCell(text, sort=value, html=f"{html_block(text)} {small}")


def code_cell(text: str, sort: float | str | None = None) -> TableCell:
    """Text set as code."""
    return TableCell("", sort, f"<code>{html_block(text)}</code>")


def status_cell(status: str) -> TableCell:
    """A run's status as a coloured word."""
    kind = "good" if status == "ok" else "bad"
    return TableCell(status, sort=status, html=f'<span class="tg-state tg-state--{kind}">{html_block(status)}</span>')


def html_table(label: str, rows: Sequence[Mapping[str, TableCell | str]]) -> str:
    """Return rows (heading → cell, the headings of all equal) as a table; ``label`` names it for screen readers."""
    return grid_table(label, [*rows[0]] if rows else [], [[*row.values()] for row in rows])


def grid_table(label: str, headings: Sequence[TableCell | str], rows: Sequence[Sequence[TableCell | str]]) -> str:
    """Return a table on one line of HTML, so that no Markdown syntax can begin inside it; plain strings are escaped."""
    head = "".join(f'<th scope="col">{_content(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(map(_cell_html, row))}</tr>" for row in rows)
    kind = "tg-table tg-table--full" if len(rows) >= _FULL else "tg-table"
    return (
        f'<div class="{kind}" data-search-exclude role="region" tabindex="0" aria-label="{html_attribute(label)}">'
        f"<table data-sortable><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _content(cell: TableCell | str) -> str:
    if isinstance(cell, str):
        return html_block(cell)
    return html_block(cell.text) if cell.html is None else cell.html


def _cell_html(cell: TableCell | str) -> str:
    if isinstance(cell, str):
        cell = TableCell(cell)
    classes, sort = cell.classes, ""
    if cell.sort is None:
        classes += " tg-long" * (len(cell.text) > _LONG)
    elif isinstance(cell.sort, str):
        sort = f' data-sort="{html_attribute(cell.sort)}"'
    else:
        classes += " tg-numeric"
        sort = "" if _reads_as(cell.text, cell.sort) else f' data-sort="{cell.sort:.{_SORT_DIGITS}g}"'
    kind = f' class="{classes.strip()}"' if classes else ""
    return f"<td{kind}{sort}>{_content(cell)}</td>"


def _reads_as(text: str, value: float) -> bool:
    """Return whether site.js would read a table cell's text as its sort key, rounded."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return False
    read, share = float(found[1].replace(",", "").replace("−", "-")), found[2] == " %"
    return abs(read - value * 100) <= 0.5 if share else math.isclose(read, value, rel_tol=0.05)


def nothing_yet(missing: str, command: str) -> str:
    """A note in place of results: what is missing, and the command that makes some."""
    return (
        f'<p class="tg-empty">{html_block(missing)} yet. '
        f"To make some, run <code>{html_block(command)}</code> and then <code>invoke site</code>.</p>"
    )
