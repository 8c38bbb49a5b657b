"""One writer per folder: a run holds a lock for as long as it lives, and the next one is told who holds it.

The lock is the kernel's and goes with its process, however that ends; no lock is ever left behind by a crash. Its file
lies in the folder. Before each write the holder looks whether it is still there: a folder that was removed, or replaced
by another run's, is not this run's any more.
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
from tinygpt.system.process_identity import ProcessIdentity

_LOOK_SECONDS = 0.02
# Worker processes hold their parent's lock too, and outlive a parent that was killed by as much as a step.
_PATIENCE_SECONDS = 10.0


LOCK = ".tinygpt.lock"


def lock_path(folder: Path) -> Path:
    """The file that carries a folder's lock."""
    return folder / LOCK


@dataclass(frozen=True)
class HeldFolder:
    """A folder whose lock this process holds.

    Attributes:
        folder: the folder.
        file: the locked file.
    """

    folder: Path
    file: BinaryIO

    def require(self) -> None:
        """Make sure that the folder is still the one that was locked.

        Raises:
            StorageError: it was removed or replaced meanwhile.
        """
        if not _is_at(lock_path(self.folder), self.file):
            raise StorageError(
                f"{self.folder} was removed or replaced while this run was training into it",
                "a folder that stays until its run has ended",
                "invoke train with another --out",
            )


@contextmanager
def folder_lock(folder: Path, patience: float = _PATIENCE_SECONDS) -> Iterator[HeldFolder]:
    """Hold a folder for a block. It is made if missing, and goes again if nothing was put into it.

    Args:
        folder: what will be written.
        patience: seconds to wait for what is left of a holder that has ended.

    Raises:
        FolderInUseError: another process holds it; the message names that process.
        StorageError: it is a file, or the lock's file cannot be made.
    """
    folder = folder.absolute()  # the current folder may change
    if folder.is_file():
        raise StorageError(f"{folder} is a file", "a folder", "invoke train --out DIR with another DIR")
    path = lock_path(folder)
    made = [part for part in path.parents if not part.exists()]
    try:
        file = _acquire(folder, path, patience)
    except OSError as error:
        raise StorageError(
            f"cannot write {folder}: {error.strerror or error}",
            "a folder that may be written",
            "the same command with another --out",
        ) from error
    held = HeldFolder(folder, file)
    try:
        yield held
    finally:
        with file, suppress(OSError):
            if _is_at(path, file):
                path.unlink()  # while it is locked: a waiter that has it open sees that it is gone, and makes another
        for part in made:  # a refused run leaves no empty folders
            with suppress(OSError):
                part.rmdir()


def holder_of(folder: Path) -> ProcessIdentity | None:
    """The process that holds a folder's lock, if it lives."""
    try:
        with lock_path(folder).open("rb") as file:
            holder = read_holder(file)
    except OSError:
        return None
    return holder if holder is not None and holder.find() else None


def require_free_lock(folder: Path) -> None:
    """Find out early whether a folder is held.

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
        time.sleep(_LOOK_SECONDS)


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
    """Whether the file that was locked still stands there: its last holder may have removed it meanwhile."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))
