"""The Markdown pages as data: the numbers and figures that each page uses, and its front matter.

Pages are read before MkDocs renders any, so that everything they name can be checked, prepared and listed in one place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mkdocs.utils.meta import get_data

_CALL = re.compile(r"""\b(number|figure|table|machine)\(\s*(?:["']([^"']*)["'])?""")
_JINJA = re.compile(r"\{\{.*?\}\}", re.DOTALL)


@dataclass(frozen=True)
class Mention:
    """A name in a page: the argument of a macro, or a target of an outcome (``sitegen.documents.outcome_links``).

    Attributes:
        kind: the macro, or the kind of target.
        name: as written; empty for a macro without an argument.
        line: in the page, from 1.
    """

    kind: str
    name: str
    line: int


@dataclass(frozen=True)
class Page:
    """The source of one page: its path under ``docs/`` with slashes, and its whole text."""

    uri: str
    text: str

    @cached_property
    def meta(self) -> dict[str, Any]:
        """The front matter."""
        return dict(get_data(self.text)[1])

    @property
    def is_post(self) -> bool:
        """True for a post of the devlog."""
        return self.uri.startswith("devlog/posts/")

    @cached_property
    def calls(self) -> tuple[Mention, ...]:
        """The page's uses of macros with a literal name, in the order of the text."""
        return tuple(
            Mention(call.group(1), call.group(2) or "", self.text.count("\n", 0, block.start() + call.start()) + 1)
            for block in _JINJA.finditer(self.text)
            for call in _CALL.finditer(block.group())
        )

    def line_of(self, text: str) -> int:
        """The number of the first line that holds a text; 1 if none does."""
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if text in line), 1)


def read_pages(docs: Path) -> tuple[Page, ...]:
    """Read every Markdown file under a folder, ordered by path."""
    return tuple(
        Page(path.relative_to(docs).as_posix(), path.read_text(encoding="utf-8")) for path in sorted(docs.rglob("*.md"))
    )


def pages_with(pages: Sequence[Page], macro: str, name: str) -> list[str]:
    """Paths of the pages that use a macro with a name, posts last. Links to a figure lead to the first."""
    found = [page for page in pages if any((call.kind, call.name) == (macro, name) for call in page.calls)]
    return [page.uri for page in sorted(found, key=lambda page: page.is_post)]
