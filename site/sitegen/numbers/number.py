"""A measured figure as prose shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A figure as text.

    Attributes:
        text: as prose shows it; None while results do not hold it.
        source: where it comes from, one line; without a text, why there is none.
        command: what measures it.
        runs: ids of the runs whose rows it was computed from; empty where it follows from the code.
    """

    text: str | None
    source: str
    command: str
    runs: tuple[str, ...] = ()


Answer = tuple[str, str, tuple[str, ...]] | None
