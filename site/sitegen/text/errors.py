"""The site's own error: a page, figure, number or result that cannot be published."""

from __future__ import annotations

from collections.abc import Sequence

from tinygpt.errors import TinyGPTError


class SiteError(TinyGPTError):
    """The site cannot be built as asked; the message names the page, figure or file."""


def summarize_problems(problems: Sequence[str], shown: int = 8) -> str:
    """Join problems into one line, the first few in full and the rest as a count."""
    head = "; ".join(problems[:shown])
    rest = len(problems) - shown
    return f"{head}; and {rest} more" if rest > 0 else head
