"""Events of a worker, one JSON object a line, for the process that started it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class EventLog:
    """Appends events to a file, each flushed, so that a kill loses at most the line being written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, **values: Any) -> None:
        """Append one event."""
        self._file.write(json.dumps({"event": event, **values}) + "\n")
        self._file.flush()
