"""Files that are on the disk when a call returns, and that appear whole or not at all.

    write .NAME-xxxxxxxx.tmp beside the file → flush it → rename it to NAME → flush the folder

After a crash at any moment the name has the old content or the new. The temporary file has a random name and is
created, never opened: two writers do not collide, and a link of that name is not followed.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tinygpt.errors import ConfigError, StorageError

LFS_POINTER = b"version https://git-lfs"  # the start of a file that Git LFS has not downloaded
_UNFINISHED = re.compile(r"\.(.+)-[0-9a-f]{8}\.tmp")


@contextmanager
def storage_errors(path: Path, run: str = "the same command after freeing space") -> Iterator[None]:
    """Raise what the file system refuses inside the block as a StorageError about a path."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}", "a folder that may be written, on a disk with room", run
        ) from error


def replace_file(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write a file as a whole, and make its folder if missing.

    Raises:
        StorageError: the file system refused; the old content is intact.
    """
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}.tmp")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_file(temporary, chunks)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)


@contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """Yield the path of an unfinished file or folder, which gets its name at the end of the block, or is removed.

    Raises:
        ConfigError: the path exists, and is no empty folder.
        StorageError: the file system refused.
    """
    with storage_errors(path, "the same command with another --out, or after freeing space"):
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise ConfigError(f"{path} exists", "a new path", "the same command with another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}.tmp")
        try:
            yield unfinished
            if path.is_dir():
                path.rmdir()
            unfinished.rename(path)
        except BaseException:
            shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)


def finished_name(name: str) -> str:
    """Return the name that a temporary file was written for; any other name unchanged."""
    match = _UNFINISHED.fullmatch(name)
    return match[1] if match else name


def remove_unfinished(folder: Path, pattern: str) -> None:
    """Delete the temporary files of killed writers.

    Args:
        folder: where they wrote; no other process may write files of these names now.
        pattern: of the finished names, as in :meth:`pathlib.Path.glob`.
    """
    for path in folder.glob(f".{pattern}-{'[0-9a-f]' * 8}.tmp"):
        path.unlink(missing_ok=True)


def require_regular(path: Path) -> None:
    """Refuse anything but a regular file: reading from a pipe or a device may never end.

    Raises:
        OSError: the path leads to nothing, or to something else.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def open_to_append(path: Path) -> BinaryIO:
    """Open a regular file for appending; a link of its name is refused, as what it points to would be written.

    Raises:
        OSError: the file system refused, or the path is something else.
    """
    # A pipe without a reader would block.
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | safe, 0o644), "ab")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


def write_file(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Create a file and flush it to the disk.

    Raises:
        OSError: the file system refused, or the file exists.
    """
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def link_file(source: Path, target: Path) -> None:
    """Give a file that never changes again a second name, or copy it where the file system has no links.

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
    """Make a folder's entries durable; POSIX only, as no other system opens folders."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
