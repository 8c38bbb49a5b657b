"""Files that are on the disk when they are said to be, and that appear whole or not at all.

    write .NAME-xxxxxxxx.tmp beside the file → flush it → rename it to NAME → flush the folder

After a crash at any moment the old content or the new one stands under the name. The temporary file has a name of its
own and is created, never opened: two writers do not meet, and a link that lies there is not followed.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from tinygpt.errors import StorageError

_UNFINISHED = re.compile(r"\.(.+)-[0-9a-f]{8}\.tmp")


def replace_file(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file whole, in a folder that is made if missing.

    Raises:
        StorageError: the file system refused; what was there before is intact.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_file(temporary, chunks)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}",
            "a folder that may be written, on a disk with room",
            "the same command after making room",
        ) from error


def finished_name(name: str) -> str:
    """The name under which a temporary file would have appeared; any other name as it is."""
    found = _UNFINISHED.fullmatch(name)
    return found[1] if found else name


def remove_unfinished(folder: Path, pattern: str) -> None:
    """Delete the temporary files that killed writers left.

    Args:
        folder: where they wrote; no other process writes files of these names now.
        pattern: of the finished names, as in :meth:`pathlib.Path.glob`.
    """
    for path in folder.glob(f".{pattern}-{'[0-9a-f]' * 8}.tmp"):
        path.unlink(missing_ok=True)


def require_regular(path: Path) -> None:
    """Make sure that a path leads to a file: reading from a pipe or a device may never end.

    Raises:
        OSError: there is nothing, or it is something else.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def write_file(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Create a file and flush it to the disk.

    Raises:
        OSError: the file system refused.
    """
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def link_file(source: Path, target: Path) -> None:
    """Give a file that is never written to again a second name, or copy it where the file system has no links.

    Raises:
        OSError: the file system refused both.
    """
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
        with target.open("rb") as file:
            os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make a folder's entries durable; only POSIX lets a folder be opened for that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
