"""The original's log, entry by entry: ``docs/transcript.md`` is plain Markdown, which the macro ``seed`` makes a table.

    {% call seed() %}
    ## Phase 1 · Looking for the biggest number

    ### 1 Try the largest model
    **Then.** What the original did.
    **Hindsight.** What is known now.
    **Here.** What exists in this project.
    {% endcall %}

The entry that has no question has a dash for its number. ``docs/decisions.md`` orders the entries by theme, and
names them with the macro ``asked``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sitegen.documents.outcome_links import mentions_in
from sitegen.documents.pages import Page
from sitegen.documents.roadmap import plain
from sitegen.text.escape import html_attribute
from tinygpt.errors import unknown_name

PAGE = "transcript.md"
DECISIONS = "decisions.md"
QUESTIONS = 28
UNASKED = "–"
PARTS = ("Then", "Hindsight", "Here")

_NUMBERS = (*map(str, range(1, QUESTIONS + 1)), UNASKED)
_PHASE = re.compile(r"^## (.+?)\s*$")
_ENTRY = re.compile(rf"^### (\d+|{UNASKED}) (.+?)\s*$")
_PART = re.compile(r"^\*\*(\w+)\.\*\* ")
_ASKED = re.compile(r"\basked\(([^)]*)\)")


@dataclass
class SeedEntry:
    """One entry of the log.

    Attributes:
        number: of the question, as in the log; ``UNASKED`` for the entry that has none.
        question: in our words.
        phase: heading above it.
        line: of its heading, from 1.
        parts: name → Markdown on one line.
    """

    number: str
    question: str
    phase: str
    line: int
    parts: dict[str, str]

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return "q-none" if self.number == UNASKED else f"q-{self.number}"


def read_seed(text: str) -> tuple[SeedEntry, ...]:
    """Read the entries in a page's text, in order."""
    entries: list[SeedEntry] = []
    phase, part = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _PHASE.match(line):
            phase, part = heading.group(1), ""
        elif heading := _ENTRY.match(line):
            entries.append(SeedEntry(heading.group(1), heading.group(2), phase, number, {}))
            part = ""
        elif entries:
            if opening := _PART.match(line):
                part, line = opening.group(1), line[opening.end() :]
                entries[-1].parts[part] = ""
            if not line.strip():
                part = ""
            elif part:
                entries[-1].parts[part] = f"{entries[-1].parts[part]} {line.strip()}".strip()
    return tuple(entries)


def check_seed(entries: Sequence[SeedEntry], pages: Sequence[Page]) -> list[str]:
    """Find problems of the log and of the decisions; each is one line naming the page."""
    problems = []
    for entry in entries:
        where = f"docs/{PAGE}, line {entry.line}: entry {entry.number}"
        if tuple(entry.parts) != PARTS:
            problems.append(f"{where} has the parts {', '.join(entry.parts) or 'none'}; it needs {', '.join(PARTS)}")
        elif not any(mentions_in(f"**Here.** {entry.parts['Here']}")):
            problems.append(f"{where} names no file, task, figure or command that exists here")
    numbers = [entry.number for entry in entries]
    if numbers and sorted(numbers) != sorted(_NUMBERS):
        wrong = sorted({*numbers} ^ {*_NUMBERS}) or sorted({one for one in numbers if numbers.count(one) > 1})
        problems.append(
            f"docs/{PAGE}: the log has the entries 1 to {QUESTIONS} and {UNASKED}; wrong: {', '.join(wrong)}"
        )
    decided = [_asked_in(page.text) for page in pages if page.uri == DECISIONS]
    if decided and (missing := [one for one in _NUMBERS if one not in decided[0]]):
        problems.append(f"docs/{DECISIONS}: no decision comes from {', '.join(missing)}; write {{{{ asked(…) }}}}")
    return problems


def _asked_in(text: str) -> set[str]:
    return {word.strip(" \"'") for call in _ASKED.finditer(text) for word in call.group(1).split(",")}


def seed_table(text: str, linked: Callable[[str], str]) -> str:
    """Return the entries in a text as Markdown: a table for each phase; ``linked`` adds links to a part ``Here``."""
    entries = read_seed(text)
    phases = dict.fromkeys(entry.phase for entry in entries)
    return "\n\n".join(
        f'## {phase}\n\n<div class="tg-seed" markdown>\n\n'
        + "\n".join(
            [
                "| question | then | hindsight | here |",
                "|---|---|---|---|",
                *(_row(entry, linked) for entry in entries if entry.phase == phase),
            ]
        )
        + "\n\n</div>"
        for phase in phases
    )


def _row(entry: SeedEntry, linked: Callable[[str], str]) -> str:
    here = linked(f"**Here.** {entry.parts['Here']}").removeprefix("**Here.** ")
    number = f"**{entry.number}**{{ #{entry.anchor} }}"
    cells = (f"{number} {entry.question}", entry.parts["Then"], entry.parts["Hindsight"], here)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def asked_links(entries: Sequence[SeedEntry], numbers: Sequence[int | str]) -> str:
    """Return links to entries, as Markdown of a page beside the transcript.

    Raises:
        UnknownNameError: there is no such entry.
    """
    by_number = {entry.number: entry for entry in entries}
    links = []
    for number in map(str, numbers):
        if number not in by_number:
            raise unknown_name("entry", number, by_number)
        entry = by_number[number]
        links.append(f'[{number}]({PAGE}#{entry.anchor} "{html_attribute(plain(entry.question))}")')
    return f"({', '.join(links)})"
