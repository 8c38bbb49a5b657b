"""A process by its number and its start time, because the system reuses the numbers of ended processes.

On Linux the start time is the boot's id with the clock ticks since that boot. The time of day is not enough: it jumps
when a virtual machine resumes or a board without a clock reaches a time server, and then every process seems to have
started at another time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TICKS = 19  # field 22 of /proc/PID/stat, counted from after the command's closing parenthesis


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine.

    Attributes:
        pid: its number.
        started: its start time, in a form that no other process of that number has.
    """

    pid: int
    started: str

    @classmethod
    def own(cls) -> ProcessIdentity:
        """Return this process's identity."""
        return cls(os.getpid(), _started(os.getpid()))

    def find(self) -> psutil.Process | None:
        """Return the process, or None if it has ended; one whose exit code is not collected yet has ended too."""
        try:
            process = psutil.Process(self.pid)
            same = _started(self.pid) == self.started
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        # ValueError and OverflowError: no process can have this number. AccessDenied: it is another user's process.
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError, ValueError, OverflowError):
            return None


def _started(pid: int) -> str:
    """Return the start time of a process.

    Raises:
        FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess: there is no such process.
    """
    if not _BOOT_ID.exists():
        return f"{psutil.Process(pid).create_time():.0f}"
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return f"{_BOOT_ID.read_text().strip()}+{fields[_START_TICKS]}"
