"""One measurement at a time on a machine: two would disturb each other.

The lock ends with its process. The lock file names the holder and remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygpt.errors import TinyGPTError
from tinygpt.system.file_lock import open_lock, read_holder, take_lock
from tinygpt.system.files import storage_errors
from tinygpt.system.home import user_temporary


class BusyError(TinyGPTError):
    """Another measurement is running."""


@contextmanager
def measurement_lock(path: Path | None = None) -> Iterator[None]:
    """Hold the machine's lock, which is one per user, or the lock in another file.

    Raises:
        BusyError: another process holds it; the message names that process.
        StorageError: the lock file cannot be opened.
    """
    path = path or user_temporary("tinygpt-bench")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open_lock(path)
    with file:
        if not take_lock(file):
            holder = read_holder(file)
            raise BusyError(
                f"process {holder.pid if holder else 'unknown'} is measuring on this machine",
                "one measurement at a time",
                "the same command once it has finished",
            )
        yield
