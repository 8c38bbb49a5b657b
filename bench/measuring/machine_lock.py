"""One measurement at a time on a machine: two that overlap would measure each other.

The lock belongs to the process and goes with it, however it ends; the file that carries it names the holder and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygpt.errors import StorageError, TinyGPTError
from tinygpt.system.file_lock import open_lock, read_holder, take_lock
from tinygpt.system.home import user_temporary


class BusyError(TinyGPTError):
    """Another measurement is going on."""


def default_lock_file() -> Path:
    """The machine's lock, one per user."""
    return user_temporary("tinygpt-bench")


@contextmanager
def measurement_lock(path: Path) -> Iterator[None]:
    """Hold the lock for a block.

    Raises:
        BusyError: another process holds it; the message names that process.
        StorageError: the lock's file cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open_lock(path)
    except OSError as error:
        raise StorageError(f"cannot open the lock {path}: {error.strerror}", "a folder that may be written") from error
    with file:
        if not take_lock(file):
            holder = read_holder(file)
            raise BusyError(
                f"process {holder.pid if holder else 'unknown'} is measuring on this machine",
                "one measurement at a time",
                "the same command when it has ended",
            )
        yield
