"""The Q&A log as data: ``docs/qa_log.md`` is plain Markdown, read here for its overview and its checks.

An entry is a section under a phase::

    ## Phase 1 · What to measure

    ### What is the speedup? { #what-is-the-speedup }

    **Question.** …

    **Answer.** …

    **Outcome.** …

The id in braces is permanent, even if the title changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sitegen.documents.outcome_links import mentions_in
from sitegen.documents.pages import Page
from sitegen.text.escape import html_block

PAGE = "qa_log.md"
PARTS = ("Question", "Answer", "Outcome")

_PHASE = re.compile(r"^## (Phase \d+ · .+?)\s*$")
_ENTRY = re.compile(r"^### (.+?)(?: \{ #([a-z0-9-]+) \})?\s*$")
_PART = re.compile(r"^\*\*(\w+)\.\*\*")


@dataclass
class Entry:
    """One question.

    Attributes:
        phase: heading above it, such as "Phase 1 · What to measure"; empty without one.
        title: the question in short.
        anchor: its permanent id; empty without one.
        line: of its heading, from 1.
        parts: names of its parts in their order.
        outcome: text of the part ``Outcome``.
    """

    phase: str
    title: str
    anchor: str
    line: int
    parts: list[str] = field(default_factory=list)
    outcome: str = ""


def read_entries(page: Page) -> tuple[Entry, ...]:
    """Read the entries of a log, in order."""
    entries: list[Entry] = []
    phase = ""
    for number, line in enumerate(page.text.splitlines(), 1):
        if heading := _PHASE.match(line):
            phase = heading.group(1)
        elif heading := _ENTRY.match(line):
            entries.append(Entry(phase, heading.group(1), heading.group(2) or "", number))
        elif entries:
            if part := _PART.match(line):
                entries[-1].parts.append(part.group(1))
            if entries[-1].parts[-1:] == ["Outcome"]:
                entries[-1].outcome += f"{line}\n"
    return tuple(entries)


def check_entries(entries: Sequence[Entry]) -> list[str]:
    """Find problems of a log; each is one line naming page and line."""
    problems = []
    seen: set[str] = set()
    for entry in entries:
        where = f"docs/{PAGE}, line {entry.line}: the entry {entry.title!r}"
        if not entry.phase:
            problems.append(f"{where} is under no phase")
        if not entry.anchor:
            problems.append(f"{where} has no permanent id; write one after its title, such as {{ #what-it-asks }}")
        elif entry.anchor in seen:
            problems.append(f"{where} has the id {entry.anchor!r} of another entry")
        seen.add(entry.anchor)
        if tuple(entry.parts) != PARTS:
            problems.append(f"{where} has the parts {', '.join(entry.parts) or 'none'}; it needs {', '.join(PARTS)}")
        elif not any(mentions_in(entry.outcome)):
            problems.append(f"{where} has an outcome that names no file, task, figure or command")
    return problems


def qa_overview(entries: Sequence[Entry]) -> str:
    """The entries by phase: a list, which qa.js makes searchable and gives its controls."""
    phases = list(dict.fromkeys(entry.phase for entry in entries))
    options = "".join(f'<option value="{number}">{html_block(phase)}</option>' for number, phase in enumerate(phases))
    lists = "".join(
        f'<section data-phase="{number}"><p>{html_block(phase)}</p>'
        f"<ol>{''.join(_item(entry) for entry in entries if entry.phase == phase)}</ol></section>"
        for number, phase in enumerate(phases)
    )
    return (
        '<div class="tg-qa" data-search-exclude>'
        '<div class="tg-qa__controls" role="search" aria-label="Filter the log" hidden>'
        '<label>Words <input type="search" autocomplete="off" spellcheck="false"></label>'
        f'<label>Phase <select><option value="">all</option>{options}</select></label>'
        '<output aria-live="polite"></output></div>'
        f'<nav aria-label="Questions by phase">{lists}</nav></div>'
    )


def _item(entry: Entry) -> str:
    return f'<li><a href="#{entry.anchor}">{html_block(entry.title)}</a></li>'
