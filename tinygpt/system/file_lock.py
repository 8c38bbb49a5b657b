"""A lock on an open file: the kernel's, gone with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import sys
from typing import BinaryIO

_LOCK_OFFSET = 1 << 20  # Windows locks bytes, and nobody could read the holder's number from a locked one
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


def take_lock(file: BinaryIO) -> bool:
    """Take a file's lock without waiting; False if it is taken. A file system that has no locks grants every one.

    Args:
        file: open for reading and writing; the lock is held until it is closed.
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
        return error.errno not in _TAKEN
    return True
