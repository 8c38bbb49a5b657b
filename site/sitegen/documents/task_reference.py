"""The task reference: options, defaults and help come from the tasks themselves (sitegen.documents.plain_blocks)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from invoke import Collection

from sitegen.documents.pages import Page
from tinygpt.terminal.tasks import OptionsTask

PAGE = "tasks.md"
_CODE = re.compile(r"`([^`]+)`|(?<![\w-])(--[a-z-]+)")  # in docstrings and help, which are written for a terminal


def task_names(collection: Collection) -> frozenset[str]:
    """Every task that ``invoke --list`` shows."""
    return frozenset(collection.task_names)


def task_summary(collection: Collection, name: str) -> str:
    """A task's purpose, in Markdown."""
    return _words((collection.tasks[name].__doc__ or "").strip().splitlines()[0])


def task_rows(collection: Collection, name: str) -> list[dict[str, str]]:
    """A task's options: heading → cell, in Markdown."""
    task: OptionsTask = collection.tasks[name]
    return [
        {"option": f"`{option.label}`", "default": option.default_text, "meaning": _words(option.help)}
        for option in task.options
    ]


def _words(text: str) -> str:
    """A text for a terminal as Markdown; options become code, as text between backticks is."""
    return _CODE.sub(lambda found: f"`{found[1] or found[2]}`", text)


def check_task_page(pages: Sequence[Page], names: frozenset[str]) -> list[str]:
    """Find tasks that the reference leaves out; each problem is one line naming the page."""
    page = next((page for page in pages if page.uri == PAGE), None)
    if page is None:
        return []
    return [
        f"docs/{PAGE}: the task {name} is missing; write <!-- task {name} --> and run invoke lint --fix"
        for name in sorted(names)
        if f"<!-- task {name} -->" not in page.text
    ]
