"""The command for a task: ``invoke NAME`` in a checkout; ``tinygpt NAME`` or ``python -m tinygpt NAME`` anywhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROGRAM = "tinygpt"
_COMMAND = re.compile(r"\binvoke (?=--(?:help|list)\b|[a-z])")


def program_name() -> str:
    """Return the command that started this process: ``tinygpt``, ``python -m tinygpt``, or else ``invoke``."""
    script = Path(sys.argv[0])
    if script.name == "__main__.py" and script.parent.name == PROGRAM:
        return f"python -m {PROGRAM}"
    return PROGRAM if script.stem == PROGRAM else "invoke"


def as_called(text: str) -> str:
    """Replace ``invoke`` in a text's commands by the command that started this process."""
    return _COMMAND.sub(f"{program_name()} ", text)
