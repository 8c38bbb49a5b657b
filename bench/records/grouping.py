"""Rows by what they have in common, and the best row of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
K = TypeVar("K")


def grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Rows by a key, both in the order in which they come."""
    groups: dict[K, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def best_of_each(rows: Iterable[T], key: Callable[[T], object], rank: Callable[[T], Any]) -> list[T]:
    """The row of each key that ranks highest, in the order of the rows; of equals the first."""
    rows = list(rows)
    best = {id(max(group, key=rank)) for group in grouped(rows, key).values()}
    return [row for row in rows if id(row) in best]
