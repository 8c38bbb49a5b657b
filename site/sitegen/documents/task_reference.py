"""The task reference: options, defaults and meanings as the tasks themselves have them, so the page cannot drift."""

from __future__ import annotations

import re
from collections.abc import Sequence

from invoke import Collection

from sitegen.documents.pages import Page
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, html_table
from tinygpt.terminal.tasks import OptionsTask

PAGE = "tasks.md"
_CODE = re.compile(r"`([^`]+)`|(?<![\w-])(--[a-z-]+)")  # in docstrings and helps, which are written for a terminal


def task_names(collection: Collection) -> frozenset[str]:
    """Every task that ``invoke --list`` shows."""
    return frozenset(collection.task_names)


def task_html(collection: Collection, name: str) -> str:
    """A task: what it does, and a table of its options.

    Args:
        collection: the tasks.
        name: of one of them.
    """
    task: OptionsTask = collection.tasks[name]
    summary = f"<p>{_words((task.__doc__ or '').strip().splitlines()[0])}</p>"
    if not task.options:
        return f"{summary}<p>It has no options.</p>"
    rows: list[list[TableCell | str]] = [
        [
            TableCell("", html=f"<code>{html_block(option.label)}</code>"),
            option.default_text,
            TableCell(option.help, html=_words(option.help)),
        ]
        for option in task.options
    ]
    return summary + html_table(f"Options of {name}", ["option", "default", "meaning"], rows)


def _words(text: str) -> str:
    """A text for a terminal as HTML, with options and what stands between backticks as code."""
    parts = _CODE.split(text)  # in threes: what stands before, and one of the two forms
    return "".join(
        f"<code>{html_block(part)}</code>" if index % 3 else html_block(part)
        for index, part in enumerate(parts)
        if part
    )


def check_task_page(pages: Sequence[Page], names: frozenset[str]) -> list[str]:
    """Tasks that the reference leaves out, each as one line naming the page."""
    page = next((page for page in pages if page.uri == PAGE), None)
    if page is None:
        return []
    return [f"docs/{PAGE}: the task {name} is missing" for name in sorted(names) if f'task("{name}")' not in page.text]
