"""Marks for figures that no macro fills in: quoted, set or derived. ``sitegen.documents.typed_numbers`` reads them."""

from __future__ import annotations

from sitegen.text.escape import html_attribute, html_block


def quoted(text: str, source: str = "the original project's site") -> str:
    """A figure of somebody else's, as they published it."""
    return f'<span class="tg-quoted" title="{html_attribute(f"quoted from {source}")}">{_on_one_line(text)}</span>'


def setting(text: str) -> str:
    """A value that somebody chose: a threshold, a limit, a size."""
    return _on_one_line(text)


def derived(text: str) -> str:
    """A value that follows from definitions; anybody can compute it again."""
    return _on_one_line(text)


def _on_one_line(text: str) -> str:
    """A number and its unit are not parted at a line's end."""
    return html_block(text).replace(" ", "&nbsp;")


MARKS = (quoted, setting, derived)
