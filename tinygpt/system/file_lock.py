"""A kernel lock on a file. It ends with the process that holds it, even after a crash. The file names the holder."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO

from tinygpt.system.process_identity import ProcessIdentity

# A link in place of the lock, from an archive say, is refused: its target would be overwritten.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
_LOCK_OFFSET = 1 << 20  # Windows locks bytes and refuses to read them; the holder's number comes before this one
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


def open_lock(path: Path) -> BinaryIO:
    """Open a lock's file, and create it if missing.

    Raises:
        OSError: the file system refused, or the path is a link.
    """
    return os.fdopen(os.open(path, _FLAGS, 0o644), "r+b")


def take_lock(file: BinaryIO) -> bool:
    """Take a file's lock without waiting, and hold it until the file is closed; return False if it is taken.

    A file system without locks grants every one.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LOCK_OFFSET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
    own = ProcessIdentity.own()
    file.seek(0)
    file.truncate()
    file.write(f"{own.pid} {own.started}\n".encode())
    file.flush()
    return True


def read_holder(file: BinaryIO) -> ProcessIdentity | None:
    """Return the process that took a lock, or None if it has not written its number yet."""
    file.seek(0)
    pid, _, started = file.read(128).decode("ascii", "replace").partition(" ")
    try:
        return ProcessIdentity(int(pid), started.strip())
    except ValueError:
        return None
