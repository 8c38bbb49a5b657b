"""A measured number as prose shows it, and the answers that numbers are made from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Number:
    """A number as text.

    Attributes:
        text: as prose shows it; None while results do not hold it.
        source: its origin in one line; without a text, the reason why there is none.
        command: measures it.
        runs: ids of the runs whose rows it was computed from; empty where it follows from the code.
    """

    text: str | None
    source: str
    command: str
    runs: tuple[str, ...] = ()


Answer = tuple[str, str, tuple[str, ...]]  # text, source and runs of a number


class NotMeasured(Exception):
    """Raised where results do not hold a number."""


def require(value: T | None) -> T:
    """Return a value that is neither None nor NaN.

    Raises:
        NotMeasured: it is one of them.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise NotMeasured
    return value


def first(values: Iterable[T]) -> T:
    """Return the first of some values.

    Raises:
        NotMeasured: there is none.
    """
    return require(next(iter(values), None))
