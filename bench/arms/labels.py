"""Names of arms: an engine variant, and optionally a commit and a copy's number.

vectorized[threads=1]              this checkout's engine
vectorized#2                       the same engine again: the A/A arm, whose distance to the first is noise
vectorized@1a2b3c4, …@1a2b3c4#2    another commit's engine, in runs of `invoke bench --against`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SUFFIXES = re.compile(r"(?P<variant>[^@#]+)(?:@(?P<revision>[0-9a-f]+))?(?:#(?P<copy>\d+))?")


@dataclass(frozen=True)
class Label:
    """The parts of an arm's name.

    Attributes:
        variant: the engine variant that the worker makes.
        revision: the start of the commit whose code runs; None for this checkout's.
        copy: 1, or 2 for an A/A arm.
    """

    variant: str
    revision: str | None
    copy: int

    @property
    def text(self) -> str:
        """The arm's name, as rows store it."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.variant}{revision}" + (f"#{self.copy}" if self.copy > 1 else "")


@lru_cache(maxsize=4096)  # a few names are in very many rows
def read_label(text: str) -> Label:
    """Split a name into its parts; a name of another form is a variant as a whole."""
    match = _SUFFIXES.fullmatch(text)
    if match is None:
        return Label(text, None, 1)
    return Label(match["variant"], match["revision"], int(match["copy"] or 1))


def is_copy(text: str) -> bool:
    """Return whether an arm repeats another one to measure the noise."""
    return read_label(text).copy > 1
