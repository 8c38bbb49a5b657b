"""Macros that mark numbers typed into pages, which ``sitegen.documents.typed_numbers`` then allows."""

from __future__ import annotations

from sitegen.text.escape import html_attribute, html_block


def quoted(text: str, source: str = "the original project's site") -> str:
    """A number that another project published."""
    return f'<span class="tg-quoted" title="{html_attribute(f"quoted from {source}")}">{_on_one_line(text)}</span>'


def setting(text: str) -> str:
    """A value that was chosen: a threshold, a limit, a size."""
    return _on_one_line(text)


def derived(text: str) -> str:
    """A value that follows from definitions by arithmetic."""
    return _on_one_line(text)


def _on_one_line(text: str) -> str:
    """Keep a number and its unit on one line."""
    return html_block(text).replace(" ", "&nbsp;")


MARKS = (quoted, setting, derived)
