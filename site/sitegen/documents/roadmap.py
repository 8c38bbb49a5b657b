"""The roadmap as data: ``docs/roadmap.md`` is plain Markdown, read here for its overview and the status page.

A task is a section of that page::

    ### #72 KV cache and streaming { #task-72 }

    **State.** Done.

    **Why.** …

A number is never used twice, and a task's address is its number, so that links survive a new title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sitegen.documents.pages import Page
from sitegen.text.escape import html_block
from sitegen.text.markup import TableCell, html_table

PAGE = "roadmap.md"
STATES = ("open", "partly done", "done")

_HEADING = re.compile(r"^### #(\d+) (.+?)(?: \{ #(\S+) \})?\s*$")
_SECTION = re.compile(r"^#{1,3} ")
_FIELD = re.compile(r"^\*\*(State|Why)\.\*\*\s*(.*)$")


@dataclass(frozen=True)
class RoadmapTask:
    """One task.

    Attributes:
        number: permanent.
        title: of its section.
        anchor: of its section; empty without one.
        state: as written, in lower case; valid ones are in ``STATES``.
        rest: the text after the state, such as what is missing.
        has_reason: whether there is a *Why*.
        line: of its heading, from 1.
    """

    number: int
    title: str
    anchor: str
    state: str
    rest: str
    has_reason: bool
    line: int

    @property
    def is_open(self) -> bool:
        """True unless the task is done."""
        return self.state != "done"


def read_tasks(page: Page) -> tuple[RoadmapTask, ...]:
    """Read the tasks of a roadmap, in order."""
    return tuple(_task(lines) for lines in _sections(page.text))


def _sections(text: str) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines of each task's section, heading first."""
    section: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if _SECTION.match(line):
            if section:
                yield section
            section = [(number, line)] if _HEADING.match(line) else []
        elif section:
            section.append((number, line))
    if section:
        yield section


def _task(lines: Sequence[tuple[int, str]]) -> RoadmapTask:
    line, heading = lines[0]
    found = _HEADING.match(heading)
    assert found is not None
    fields = dict.fromkeys(("State", "Why"), "")
    current = ""
    for _, text in lines[1:]:
        if field := _FIELD.match(text):
            current = field.group(1)
            fields[current] = field.group(2)
        elif not text.strip() or text.startswith("**"):
            current = ""
        elif current:
            fields[current] += f" {text.strip()}"
    state, rest = re.match(r"([^.:]*)[.:]?\s*(.*)", fields["State"], re.DOTALL).groups()  # type: ignore[union-attr]
    return RoadmapTask(
        int(found.group(1)), found.group(2), found.group(3) or "", state.lower(), rest, bool(fields["Why"]), line
    )


def check_tasks(tasks: Sequence[RoadmapTask]) -> list[str]:
    """Find problems of a roadmap; each is one line naming page and line."""
    problems = []
    seen: set[int] = set()
    for task in tasks:
        where = f"docs/{PAGE}, line {task.line}: task #{task.number}"
        if task.number in seen:
            problems.append(f"{where} occurs twice")
        seen.add(task.number)
        if task.anchor != f"task-{task.number}":
            problems.append(f"{where} has no address; write {{ #task-{task.number} }} after its title")
        if task.state not in STATES:
            problems.append(f"{where} has the state {task.state!r}; allowed: {', '.join(STATES)}")
        if not task.has_reason:
            problems.append(f"{where} does not say why")
    return problems


def roadmap_table(tasks: Sequence[RoadmapTask], page: str) -> str:
    """The table of tasks; ``page`` is the roadmap as seen from the page that shows it, empty on the roadmap itself."""
    return html_table(
        "Tasks",
        [
            {
                "task": TableCell(
                    f"#{task.number}", task.number, f'<a href="{page}#{task.anchor}">&#35;{task.number}</a>'
                ),
                "what": task.title,
                "state": TableCell(
                    task.state,
                    STATES.index(task.state),
                    f'<span class="tg-task tg-task--{task.state.split()[0]}">{html_block(task.state)}</span>',
                ),
                "in a sentence": plain(task.rest),
            }
            for task in tasks
        ],
    )


def plain(markdown: str) -> str:
    """Markdown as plain text: the words of links, and no marks of emphasis or code."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"\{\{\s*(?:quoted|setting|derived)\(\"([^\"]*)\"\)\s*\}\}", r"\1", text)
    return re.sub(r"[*`]", "", " ".join(text.split()))
