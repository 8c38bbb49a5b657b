"""One worker process from start to end: started in a group of its own, followed, and killed as a whole.

The worker's events file is what counts; its standard output is thrown away and its standard error is kept only as a
tail. So a child that prints nonsense, dies half-way through a line or leaves children behind changes nothing here.
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

_POLL_SECONDS = 0.1  # seldom enough not to disturb what is being measured
_TAIL_BYTES = 4000
_TRACE = {"PYTHONFAULTHANDLER": "1"}  # on stderr, if the interpreter itself dies


@dataclass(frozen=True)
class Outcome:
    """How a worker ended.

    Attributes:
        events: what it reported, in order.
        exit_code: its own, or None if a signal ended it.
        signal: the signal's name, or None.
        killed_for: ``limit`` or ``interrupt`` if it was us who ended it.
        out_of_memory: the kernel killed some process for want of memory in the meantime.
        stderr_tail: last characters of its standard error.
        started_at: UTC.
        wall_seconds: from start to end, by a clock that does not go backwards.
    """

    events: tuple[Event, ...]
    exit_code: int | None
    signal: str | None
    killed_for: str | None
    out_of_memory: bool
    stderr_tail: str
    started_at: datetime
    wall_seconds: float

    def of_kind(self, name: str) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == name]


def run_worker(
    task: dict[str, Any],
    folder: Path,
    limit_seconds: float,
    on_event: Callable[[Event], None],
    environment: Mapping[str, str] | None = None,
    tree: Path | None = None,
) -> Outcome:
    """Run ``python -m bench.measuring.worker`` on a task.

    Args:
        task: what the worker reads, without ``events``.
        folder: an empty folder of this cell's own, for the worker's files.
        limit_seconds: then its whole process group is killed.
        on_event: told of every event as it comes.
        environment: variables to add to the worker's.
        tree: a folder whose ``tinygpt`` and worker are used instead of this checkout's.

    Returns:
        how it ended. A KeyboardInterrupt kills the worker and is reported as ``killed_for="interrupt"``.
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
    for event in reader.new_events():  # what came between the last look and the end
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
    """Hand the task over; stdin stays open, because its end tells the worker that the runner is gone."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # the worker died before it could read; its exit code says how
        process.stdin.write(line.encode())
        process.stdin.flush()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a worker and everything that it started, and collect its exit code."""
    if hasattr(os, "killpg"):
        # A group lives on while any member does: also when the worker itself has ended.
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
    """Options of Popen that put the worker at the head of a process group."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _worker_module(tree: Path) -> str:
    """The worker of a tree, which may be an earlier commit's with fewer folders."""
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
    """Reads a growing events file: whole lines only, and only lines that are events."""

    path: Path
    events: list[Event] = field(default_factory=list)
    _position: int = 0

    def new_events(self) -> list[Event]:
        """What came since the last call."""
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
