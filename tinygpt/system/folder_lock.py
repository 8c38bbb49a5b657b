"""One writer per folder: a run holds a lock for as long as it lives, and the next one is told who holds it.

The lock is the kernel's and goes with its process, however that ends; no lock is ever left behind by a crash. Its file
stands beside the folder, as ``.NAME.lock``, because the folder itself is exchanged with every save.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tinygpt.errors import FolderInUseError, StorageError
from tinygpt.system.file_lock import take_lock
from tinygpt.system.process_identity import ProcessIdentity

_LOOK_SECONDS = 0.02
# Worker processes hold their parent's lock too, and outlive a parent that was killed by as much as a step.
_PATIENCE_SECONDS = 10.0


def lock_path(folder: Path) -> Path:
    """The file that carries a folder's lock."""
    folder = folder.resolve()
    return folder.parent / f".{folder.name}.lock"


@contextmanager
def folder_lock(folder: Path, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold a folder for a block. The folder itself need not exist.

    Args:
        folder: what will be written.
        patience: seconds to wait for what is left of a holder that has ended.

    Raises:
        FolderInUseError: another process holds it; the message names that process.
        StorageError: the lock's file cannot be made.
    """
    path = lock_path(folder)
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _acquire(folder, path, patience)
    except OSError as error:
        raise StorageError(
            f"cannot write beside {folder}: {error.strerror or error}",
            "a parent folder that may be written",
            "the same command with another --out",
        ) from error
    try:
        yield
    finally:
        with file, contextlib.suppress(OSError):
            path.unlink()  # while it is locked: whoever opened it before sees that it is gone, and opens the next
        for parent in made:  # a refused run leaves no empty folders
            with contextlib.suppress(OSError):
                parent.rmdir()


def holder_of(folder: Path) -> ProcessIdentity | None:
    """The process that holds a folder's lock, if it lives."""
    try:
        with lock_path(folder).open("rb") as file:
            holder = _read_holder(file)
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
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        try:
            if take_lock(file):
                if _is_at(path, file):
                    own = ProcessIdentity.own()
                    file.seek(0)
                    file.truncate()
                    file.write(f"{own.pid} {own.started!r}\n".encode())
                    file.flush()
                    return file
                file.close()
                continue
            holder = _read_holder(file)
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
        found = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file.fileno()))


def _read_holder(file: BinaryIO) -> ProcessIdentity | None:
    file.seek(0)
    pid, _, started = file.read(64).decode("ascii", "replace").partition(" ")
    try:
        return ProcessIdentity(int(pid), float(started))
    except ValueError:  # its holder has not come to writing it
        return None
