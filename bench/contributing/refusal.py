"""The one line that refuses a pack."""

from __future__ import annotations

from tinygpt.errors import ResultsError

_RUN = "invoke results pack, on the machine that measured it"


def refused(name: str, problem: str, allowed: str) -> ResultsError:
    """The error about a pack: its name, what is wrong, and what would be right."""
    return ResultsError(f"pack {name}: {problem}", allowed, _RUN)
