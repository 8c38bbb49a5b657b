"""The processes that train one model together, as the loop around an engine sees them."""

from __future__ import annotations


class Processes:
    """This process alone; an engine that trains in several has a subclass.

    Attributes:
        count: how many there are.
        rows: rows of a batch that this one trains on.
    """

    def __init__(self, count: int = 1, rows: slice = slice(None)) -> None:
        self.count = count
        self.rows = rows

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all of them ask at the same point."""
        return flag
