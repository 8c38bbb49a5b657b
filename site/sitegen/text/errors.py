"""The site's own error."""

from __future__ import annotations

from collections.abc import Sequence

from tinygpt.errors import TinyGPTError


class SiteError(TinyGPTError):
    """A page, figure, number or result cannot be published; the message names it."""


def summarize_problems(problems: Sequence[str], shown: int = 8) -> str:
    """Join problems into one line: the first few in full, the rest as a count."""
    head = "; ".join(problems[:shown])
    rest = len(problems) - shown
    return f"{head}; and {rest} more" if rest > 0 else head
