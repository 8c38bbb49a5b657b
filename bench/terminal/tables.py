"""The two kinds of tables in the terminal. Texts from rows are escaped, because brackets in them are not markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def make_table(left: Sequence[str], right: Sequence[str] = (), no_wrap: bool = True, **options: Any) -> Table:
    """Make a table with left-aligned and then right-aligned columns; ``no_wrap`` is that of the left ones."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, **options)
    for heading in left:
        table.add_column(heading, no_wrap=no_wrap)
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def add_row(table: Table, *texts: str, style: str = "") -> None:
    """Add a row of texts without markup."""
    table.add_row(*map(escape, texts), style=style)


def print_fields(console: Console, fields: Iterable[tuple[str, str]]) -> None:
    """Print a name and a text on each line."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in fields:
        add_row(table, name, text)
    console.print(table)
