"""A process by its number and the moment it began: numbers are given out again after their process has ended.

On Linux the moment is counted in clock ticks since boot, together with the boot's own id. The time of day would not do:
it is set forward when a virtual machine resumes or a board without a clock meets a time server, and then every
process seems to have begun at another moment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_START_TICKS = 19  # field 22 of /proc/PID/stat, counted behind the command's closing parenthesis


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine.

    Attributes:
        pid: its number.
        started: when it began, as this machine tells it apart from every other process of that number.
    """

    pid: int
    started: str

    @classmethod
    def own(cls) -> ProcessIdentity:
        """Return this process's identity."""
        return cls(os.getpid(), _started(os.getpid()))

    def find(self) -> psutil.Process | None:
        """Return the process, or None when it has ended, even if its parent has not collected its exit code yet."""
        try:
            process = psutil.Process(self.pid)
            same = _started(self.pid) == self.started
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        # The last two: a number that no process can have.
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, ValueError, OverflowError):
            return None
        except psutil.AccessDenied:  # another user's: there is a process of this number, and no more can be said
            return None


def _started(pid: int) -> str:
    """When a process began.

    Raises:
        FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess: there is no such process.
    """
    if not _BOOT_ID.exists():
        return f"{psutil.Process(pid).create_time():.0f}"
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return f"{_BOOT_ID.read_text().strip()}+{fields[_START_TICKS]}"
