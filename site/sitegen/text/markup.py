"""The HTML that macros put into pages: always on one line, always escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sitegen.text.escape import html_attribute, html_block


@dataclass(frozen=True)
class TableCell:
    """A table cell: its text, what it sorts by, and markup for texts that are ours."""

    text: str
    sort: float | str | None = None
    html: str | None = None


def html_table(label: str, headings: Sequence[str], rows: Sequence[Sequence[TableCell | str]]) -> str:
    """A table on one line of HTML, so that no Markdown syntax can begin inside it.

    Args:
        label: what the table holds, for readers who do not see it.
        headings: one for each column.
        rows: cells; a plain string is escaped.
    """
    head = "".join(f'<th scope="col">{html_block(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{''.join(map(_cell_html, row))}</tr>" for row in rows)
    kind = "tg-table tg-table--full" if len(rows) >= _FULL else "tg-table"
    return (
        f'<div class="{kind}" data-search-exclude role="region" tabindex="0" aria-label="{html_attribute(label)}">'
        f"<table data-sortable><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


_FULL = 20  # rows; so many fill the height that site.css gives a table
_LONG = 60  # characters; longer cells may wrap
_SORT_DIGITS = 4  # more than a cell shows; digits that look random are what a long table weighs most


def _cell_html(cell: TableCell | str) -> str:
    if isinstance(cell, str):
        cell = TableCell(cell)
    content = cell.html if cell.html is not None else html_block(cell.text)
    if cell.sort is None:
        return f'<td class="tg-long">{content}</td>' if len(cell.text) > _LONG else f"<td>{content}</td>"
    if isinstance(cell.sort, int | float):
        if _reads_as(cell.text, cell.sort):
            return f'<td class="tg-numeric">{content}</td>'
        return f'<td class="tg-numeric" data-sort="{cell.sort:.{_SORT_DIGITS}g}">{content}</td>'
    return f'<td data-sort="{html_attribute(cell.sort)}">{content}</td>'


# A number that site.js reads by itself, from the beginning of the cell's text: plain, as a ratio or as a share.
_PLAIN = re.compile(r"(\d[\d,]*(?:\.\d+)?)( %|×?)")


def _reads_as(text: str, value: float) -> bool:
    """Whether a cell's text says what it sorts by, rounded."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return False
    read, share = float(found[1].replace(",", "")), found[2] == " %"
    return abs(read - value * 100) <= 0.5 if share else math.isclose(read, value, rel_tol=0.05)


def status_cell(status: str) -> TableCell:
    """A run's status as a coloured word."""
    kind = "good" if status == "ok" else "bad"
    return TableCell(status, sort=status, html=f'<span class="tg-state tg-state--{kind}">{html_block(status)}</span>')


def nothing_yet(what: str, command: str) -> str:
    """What stands where results would be: what is missing, and the command that makes some."""
    return (
        f'<p class="tg-empty">{html_block(what)} yet. '
        f"To make some, run <code>{html_block(command)}</code> and then <code>invoke site</code>.</p>"
    )
