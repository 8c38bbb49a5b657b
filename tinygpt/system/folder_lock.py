"""One writer per folder: a run holds its folder's lock while it lives, and the error for a second run names the first.

The lock is the kernel's and ends with its process, so a crash leaves none behind. Its file lies in the folder. Before
each write the holder checks that the file is still there: a folder that was removed, or replaced by another run's, is
no longer this run's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tinygpt.errors import FolderInUseError, StorageError
from tinygpt.system.file_lock import open_lock, read_holder, take_lock
from tinygpt.system.files import require_regular, storage_errors
from tinygpt.system.process_identity import ProcessIdentity

LOCK = ".tinygpt.lock"

_POLL_SECONDS = 0.02
# Worker processes inherit their parent's lock and outlive a killed parent by up to a step.
_PATIENCE_SECONDS = 10.0


def lock_path(folder: Path) -> Path:
    """Return the path of a folder's lock file."""
    return folder / LOCK


@dataclass(frozen=True)
class HeldFolder:
    """A folder whose lock this process holds, and the locked file."""

    folder: Path
    file: BinaryIO

    def require(self) -> None:
        """Check that the folder is still the locked one.

        Raises:
            StorageError: it was removed or replaced.
        """
        if not _is_at(lock_path(self.folder), self.file):
            raise StorageError(
                f"{self.folder} was removed or replaced while this run was training into it",
                "a folder that stays until its run has ended",
                "the same command with another --out",
            )


@contextmanager
def folder_lock(folder: Path, patience: float = _PATIENCE_SECONDS) -> Iterator[HeldFolder]:
    """Hold a folder's lock for a block. A missing folder is made, and removed again if it stays empty.

    Args:
        folder: the folder to write into.
        patience: seconds to wait for the workers of a holder that has ended.

    Raises:
        FolderInUseError: another process holds it; the message names that process.
        StorageError: it is a file, or the lock file cannot be made.
    """
    folder = folder.absolute()  # the current folder may change
    if folder.is_file():
        raise StorageError(f"{folder} is a file", "a folder", "the same command with another --out")
    path = lock_path(folder)
    made = [part for part in path.parents if not part.exists()]
    with storage_errors(folder, "the same command with another --out"):
        file = _acquire(folder, path, patience)
    held = HeldFolder(folder, file)
    try:
        yield held
    finally:
        with file, suppress(OSError):
            if _is_at(path, file):
                path.unlink()  # while locked: a waiter that has it open sees that it is gone, and makes another
        for part in made:  # a refused run leaves no empty folders
            with suppress(OSError):
                part.rmdir()


def holder_of(folder: Path) -> ProcessIdentity | None:
    """Return the living process that holds a folder's lock, if any."""
    try:
        require_regular(lock_path(folder))
        with lock_path(folder).open("rb") as file:
            holder = read_holder(file)
    except OSError:
        return None
    return holder if holder is not None and holder.find() else None


def require_free_lock(folder: Path) -> None:
    """Refuse a folder that is held, before any work is done for it.

    Raises:
        FolderInUseError: another process holds it.
    """
    if (holder := holder_of(folder)) is not None:
        raise _in_use(folder, holder)


def _acquire(folder: Path, path: Path, patience: float) -> BinaryIO:
    until = time.monotonic() + patience
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        file = open_lock(path)
        try:
            if take_lock(file):
                if _is_at(path, file):
                    return file
                file.close()
                continue
            holder = read_holder(file)
        except BaseException:
            file.close()
            raise
        file.close()
        if (holder is not None and holder.find()) or time.monotonic() > until:
            raise _in_use(folder, holder)
        time.sleep(_POLL_SECONDS)


def _in_use(folder: Path, holder: ProcessIdentity | None) -> FolderInUseError:
    who = "another process" if holder is None else f"process {holder.pid}"
    if holder is not None and holder.find() is None:
        who = f"a worker that {who} left"
    return FolderInUseError(
        f"{who} is training into {folder}",
        "one run per folder",
        f"invoke runs stop {folder}, or invoke train with another --out",
    )


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Return whether the path still leads to the locked file, which its last holder may have removed."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
