"""One worker process: start it in its own process group, follow its events, kill the whole group.

Only the worker's events file counts. Its standard output is discarded, and of its standard error the tail is kept. So a
worker that prints garbage, dies in the middle of a line or leaves children behind does no harm.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.records.child import PROJECT, python_command, python_environment
from tinygpt.system.control_groups import out_of_memory_kills

Event = dict[str, Any]

_POLL_SECONDS = 0.1  # long enough not to disturb the measurement
_TAIL_BYTES = 4000
_TRACE = {"PYTHONFAULTHANDLER": "1"}  # a trace on stderr if the interpreter crashes


@dataclass(frozen=True)
class Outcome:
    """A worker's end and its events; the defaults are those of a worker that was never started.

    Attributes:
        events: in order.
        exit_code: None if a signal ended the worker.
        signal: the signal's name, or None.
        killed_for: ``limit`` or ``interrupt`` if the runner ended the worker.
        out_of_memory: the kernel killed a process for lack of memory in the meantime.
        stderr_tail: the end of its standard error.
        started_at: UTC.
        wall_seconds: by a monotonic clock.
    """

    events: tuple[Event, ...] = ()
    exit_code: int | None = None
    signal: str | None = None
    killed_for: str | None = None
    out_of_memory: bool = False
    stderr_tail: str = ""
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    wall_seconds: float = 0.0

    def of_kind(self, name: str) -> list[Event]:
        """Return the events of one kind."""
        return [event for event in self.events if event["event"] == name]


def run_worker(
    task: dict[str, Any],
    folder: Path,
    limit_seconds: float,
    on_event: Callable[[Event], None],
    environment: Mapping[str, str] | None = None,
    tree: Path | None = None,
) -> Outcome:
    """Run ``python -m bench.measuring.worker`` on a task; KeyboardInterrupt kills the worker and is in the outcome.

    Args:
        task: the worker's input, without ``events``.
        folder: an empty folder for the worker's files.
        limit_seconds: time after which its process group is killed.
        on_event: called with each new event.
        environment: additional variables.
        tree: a folder whose ``tinygpt`` and ``bench`` are used instead of this checkout's.
    """
    reader = _EventReader(folder / "events.jsonl")
    stderr_file = folder / "stderr.txt"
    kills_before = out_of_memory_kills()
    started_at = datetime.now(UTC)
    started = time.perf_counter()
    killed_for: str | None = None
    with stderr_file.open("wb") as stderr:
        process = subprocess.Popen(
            python_command("-m", _worker_module(tree or PROJECT)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=python_environment(tree) | _TRACE | dict(environment or {}),
            **_own_group(),
        )
    try:
        _send(process, json.dumps(task | {"events": str(reader.path)}) + "\n")
        while process.poll() is None:
            if time.perf_counter() - started > limit_seconds:
                killed_for = "limit"
                break
            for event in reader.new_events():
                on_event(event)
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        killed_for = "interrupt"
    finally:
        kill_group(process)
    wall_seconds = time.perf_counter() - started
    for event in reader.new_events():  # events after the last poll
        on_event(event)
    code = process.returncode
    return Outcome(
        events=tuple(reader.events),
        exit_code=code if code >= 0 else None,
        signal=_signal_name(-code) if code < 0 else None,
        killed_for=killed_for,
        out_of_memory=out_of_memory_kills() > kills_before,
        stderr_tail=_tail(stderr_file),
        started_at=started_at,
        wall_seconds=wall_seconds,
    )


def _send(process: subprocess.Popen[bytes], line: str) -> None:
    """Send the task, and keep stdin open: its end means to the worker that the runner has gone."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # the worker died before it could read
        process.stdin.write(line.encode())
        process.stdin.flush()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and all that it started, and collect its exit code."""
    if hasattr(os, "killpg"):
        # A group exists while any member does, even after the worker itself has ended.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # the task may still be in the buffer
            process.stdin.close()


def _own_group() -> dict[str, Any]:
    """Return the options of Popen that make the worker the head of a process group."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _worker_module(tree: Path) -> str:
    """Return the worker's module in a tree, which may be an older commit with other folders."""
    return "bench.measuring.worker" if (tree / "bench" / "measuring").is_dir() else "bench.worker"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace").strip()


@dataclass
class _EventReader:
    """Reads the whole lines of a growing events file, and skips lines that are no events."""

    path: Path
    events: list[Event] = field(default_factory=list)
    _position: int = 0

    def new_events(self) -> list[Event]:
        """Return the events since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            return []
        whole, newline, _ = data.rpartition(b"\n")
        self._position += len(whole) + len(newline)
        fresh = []
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                fresh.append(event)
        self.events += fresh
        return fresh
