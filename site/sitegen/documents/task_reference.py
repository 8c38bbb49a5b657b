"""The task reference: options, defaults and help come from the tasks themselves, so the page cannot go stale."""

from __future__ import annotations

import re
from collections.abc import Sequence

from invoke import Collection

from sitegen.documents.pages import Page
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, code_cell, html_table
from tinygpt.terminal.tasks import OptionsTask

PAGE = "tasks.md"
_CODE = re.compile(r"`([^`]+)`|(?<![\w-])(--[a-z-]+)")  # in docstrings and help, which are written for a terminal


def task_names(collection: Collection) -> frozenset[str]:
    """Every task that ``invoke --list`` shows."""
    return frozenset(collection.task_names)


def task_html(collection: Collection, name: str) -> str:
    """A task's purpose, and a table of its options."""
    task: OptionsTask = collection.tasks[name]
    summary = f"<p>{_words((task.__doc__ or '').strip().splitlines()[0])}</p>"
    if not task.options:
        return f"{summary}<p>It has no options.</p>"
    return summary + html_table(
        f"Options of {name}",
        [
            {
                "option": code_cell(option.label),
                "default": option.default_text,
                "meaning": TableCell(option.help, html=_words(option.help)),
            }
            for option in task.options
        ],
    )


def _words(text: str) -> str:
    """A text for a terminal as HTML; options and text between backticks become code."""
    parts = _CODE.split(text)  # in threes: the text before a match, and its two groups
    return "".join(
        f"<code>{html_block(part)}</code>" if index % 3 else html_block(part)
        for index, part in enumerate(parts)
        if part
    )


def check_task_page(pages: Sequence[Page], names: frozenset[str]) -> list[str]:
    """Find tasks that the reference leaves out; each problem is one line naming the page."""
    page = next((page for page in pages if page.uri == PAGE), None)
    if page is None:
        return []
    return [f"docs/{PAGE}: the task {name} is missing" for name in sorted(names) if f'task("{name}")' not in page.text]
