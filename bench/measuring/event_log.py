"""A worker's events, one JSON object per line, for the process that started it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from bench.measuring.peak_memory import peak_memory_bytes


class EventLog:
    """Appends events to a file and flushes each, so that a kill loses at most the line being written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: str, **values: Any) -> None:
        """Append one event."""
        self._file.write(json.dumps({"event": event, **values}) + "\n")
        self._file.flush()

    def write_ready(self, started: float, resolved_variant: str, threads: int | None) -> None:
        """Append the end of the set-up that began at ``started`` (``time.perf_counter``)."""
        seconds = time.perf_counter() - started
        peak = peak_memory_bytes()
        self.write("ready", setup_seconds=seconds, peak_bytes=peak, resolved_variant=resolved_variant, threads=threads)
