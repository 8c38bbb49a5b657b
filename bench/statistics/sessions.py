"""Sessions: runs of one machine that share its hours, and so are one observation of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

T = TypeVar("T")

APART = timedelta(hours=1)  # between the starts of two runs


def sessions(rows: Iterable[T], started_at: Callable[[T], datetime]) -> list[list[T]]:
    """Cut rows of one machine into sessions, oldest first: a row begins one if it starts ``APART`` after the last."""
    found: list[list[T]] = []
    for row in sorted(rows, key=started_at):
        if found and started_at(row) - started_at(found[-1][-1]) < APART:
            found[-1].append(row)
        else:
            found.append([row])
    return found
