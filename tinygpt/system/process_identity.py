"""A process by its number and the moment it began: the number alone is given out again after its process has ended."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil

_TOLERANCE_SECONDS = 1.0  # the kernel's clock ticks, and not every reader rounds them alike


@dataclass(frozen=True)
class ProcessIdentity:
    """A process of this machine.

    Attributes:
        pid: its number.
        started: when it began, seconds since 1970.
    """

    pid: int
    started: float

    @classmethod
    def own(cls) -> ProcessIdentity:
        """This process."""
        return cls(os.getpid(), psutil.Process().create_time())

    def find(self) -> psutil.Process | None:
        """The process, or None when it has ended, be it that nobody has asked for its exit code yet."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) <= _TOLERANCE_SECONDS
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, ValueError, OverflowError):  # the last two: a number that no process can have
            return None
        except psutil.AccessDenied:  # somebody else's: there is a process of this number, and no more can be said
            return None
