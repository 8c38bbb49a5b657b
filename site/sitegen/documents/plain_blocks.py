"""Options, corpora and suites as plain text in the pages, for readers who see a page's source, as on a code host.

    <!-- task train -->
    (written by the program: a sentence and a table of options)
    <!-- end of task train -->

``invoke lint`` compares every block with the program, and ``invoke lint --fix`` writes it anew. An author may write the
macro's form, ``{{ task("train") }}`` alone on a line, which becomes a block.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from invoke import Collection

from sitegen.documents.task_reference import task_rows, task_summary
from sitegen.tables.registry import corpora_rows, suites_rows
from sitegen.text.markup import TableCell

PLAIN_PAGES = ("quickstart.md", "tasks.md")  # those to which the README sends readers for options
_TABLES: MappingProxyType[str, Callable[[], Sequence[Mapping[str, TableCell | str]]]] = MappingProxyType(
    {"corpora": corpora_rows, "suites": suites_rows}
)
BLOCK = re.compile(
    r"^<!-- (?P<kind>task|table) (?P<name>[\w-]+) -->\n.*?^<!-- end of (?P=kind) (?P=name) -->$"
    r'|^\{\{ (?P<macro>task|table)\("(?P<argument>[\w-]+)"\) \}\}$',
    re.MULTILINE | re.DOTALL,
)


def with_plain_blocks(text: str, collection: Collection) -> str:
    """A page's source with every block as the program has it now; tables of results stay macros."""

    def written(found: re.Match[str]) -> str:
        kind, name = found["kind"] or found["macro"], found["name"] or found["argument"]
        content = _content(kind, name, collection)
        return found[0] if content is None else f"<!-- {kind} {name} -->\n\n{content}\n\n<!-- end of {kind} {name} -->"

    return BLOCK.sub(written, text)


def _content(kind: str, name: str, collection: Collection) -> str | None:
    """The content of a block; None for a name that is not known, which the build reports."""
    if kind == "table":
        return markdown_table(_TABLES[name]()) if name in _TABLES else None
    if name not in collection.tasks:
        return None
    rows = task_rows(collection, name)
    return f"{task_summary(collection, name)}\n\n{markdown_table(rows) if rows else 'It has no options.'}"


def markdown_table(rows: Sequence[Mapping[str, TableCell | str]]) -> str:
    """Rows (heading → cell) as a table in Markdown; only code keeps its markup."""
    lines = [[*rows[0]], ["---"] * len(rows[0]), *([_plain(cell) for cell in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(cell: TableCell | str) -> str:
    if isinstance(cell, str):
        cell = TableCell(cell)
    text = cell.text if cell.html is None else html.unescape(re.sub(r"</?code>", "`", cell.html))
    return text.replace("|", "\\|").replace("\n", " ")
