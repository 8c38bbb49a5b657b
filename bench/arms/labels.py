"""Names of arms: an engine variant, and where it differs, which commit's and which copy.

vectorized[threads=1]              the checkout's own
vectorized#2                       the same once more: the A/A arm, whose distance to the first is noise
vectorized@1a2b3c4, …@1a2b3c4#2    another commit's, in runs of `invoke bench --against`
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SUFFIXES = re.compile(r"(?P<variant>[^@#]+)(?:@(?P<revision>[0-9a-f]+))?(?:#(?P<copy>\d+))?")


@dataclass(frozen=True)
class Label:
    """The parts of an arm's name.

    Attributes:
        variant: what the worker makes.
        revision: start of the commit whose code it is, None for the checkout's own.
        copy: 1, or 2 for an A/A arm.
    """

    variant: str
    revision: str | None
    copy: int

    @property
    def text(self) -> str:
        """The name, as rows have it."""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.variant}{revision}" + (f"#{self.copy}" if self.copy > 1 else "")


def read_label(text: str) -> Label:
    """The parts of a name; a name of another form is all variant."""
    found = _SUFFIXES.fullmatch(text)
    if found is None:
        return Label(text, None, 1)
    return Label(found["variant"], found["revision"], int(found["copy"] or 1))


def is_copy(text: str) -> bool:
    """Whether an arm repeats another one, to show the noise."""
    return read_label(text).copy > 1
