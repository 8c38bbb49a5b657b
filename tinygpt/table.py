"""Read-only tables, name → record. An unknown name gives an error that suggests the nearest one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from tinygpt.errors import unknown_name

T = TypeVar("T")


class Table(Mapping[str, T]):
    """A table in its rows' order.

    Args:
        kind: the kind of thing that a name names, in the singular.
        rows: name → record.

    Raises:
        UnknownNameError: there is no such name.
    """

    def __init__(self, kind: str, rows: Mapping[str, T]) -> None:
        self._kind, self._rows = kind, dict(rows)

    def __getitem__(self, name: str) -> T:
        if name not in self:
            raise unknown_name(self._kind, name, self._rows)
        return self._rows[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<{self._kind}s: {', '.join(self)}>"
