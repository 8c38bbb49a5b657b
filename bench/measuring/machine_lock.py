"""One measurement at a time on a machine: two that overlap would measure each other.

The lock belongs to the process and goes with it, however it ends; the file that carries it names the holder and stays.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygpt.errors import StorageError, TinyGPTError
from tinygpt.system.file_lock import take_lock


class BusyError(TinyGPTError):
    """Another measurement is going on."""


def default_lock_file() -> Path:
    """The machine's lock, one per user, because another user's file may not be opened."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a user without an account entry, as in many containers
        name = str(os.getuid())
    # The user's name is hashed: it need not be in a world-readable folder's listing.
    user = hashlib.sha256(name.encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"tinygpt-bench-{user}.lock"


@contextmanager
def measurement_lock(path: Path) -> Iterator[None]:
    """Hold the lock for a block.

    Raises:
        BusyError: another process holds it; the message names that process.
        StorageError: the lock's file cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise StorageError(f"cannot open the lock {path}: {error.strerror}", "a folder that may be written") from error
    with file:
        if not take_lock(file):
            file.seek(0)
            holder = file.read(32).decode("ascii", "replace").strip() or "unknown"
            raise BusyError(
                f"process {holder} is measuring on this machine",
                "one measurement at a time",
                "the same command when it has ended",
            )
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield
