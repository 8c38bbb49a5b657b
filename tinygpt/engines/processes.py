"""The processes that train one model together, as the training loop sees them."""

from __future__ import annotations


class Processes:
    """This process alone; an engine that trains in several processes has a subclass.

    Attributes:
        count: number of processes.
        rows: rows of a batch that this process trains on.
    """

    def __init__(self, count: int = 1, rows: slice = slice(None)) -> None:
        self.count = count
        self.rows = rows

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process; all of them call this at the same point."""
        return flag
