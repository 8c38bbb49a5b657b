"""How tasks are called: ``invoke NAME`` in a checkout, ``tinygpt NAME`` where the package is installed without one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROGRAM = "tinygpt"
_COMMAND = re.compile(r"\binvoke (?=(?:--help )?[a-z])")


def as_called(text: str) -> str:
    """A text for people, written for a checkout, with the commands in it as this program was called."""
    return _COMMAND.sub(f"{PROGRAM} ", text) if Path(sys.argv[0]).stem == PROGRAM else text
