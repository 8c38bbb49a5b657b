"""How tasks are called: ``invoke NAME`` in a checkout; ``tinygpt NAME`` or ``python -m tinygpt NAME`` anywhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROGRAM = "tinygpt"
_COMMAND = re.compile(r"\binvoke (?=(?:--help )?[a-z]|--list)")


def program_name() -> str:
    """The command that this process was started with: ``tinygpt``, ``python -m tinygpt``, or else ``invoke``."""
    script = Path(sys.argv[0])
    if script.name == "__main__.py" and script.parent.name == PROGRAM:
        return f"python -m {PROGRAM}"
    return PROGRAM if script.stem == PROGRAM else "invoke"


def as_called(text: str) -> str:
    """A text for people, written for a checkout, with the commands in it as this program was called."""
    return _COMMAND.sub(f"{program_name()} ", text)
