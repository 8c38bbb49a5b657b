"""Replacing a folder's contents as one act: after a crash at any moment, the old version or the new one is whole.

    1. write DIR's new version into the sibling .DIR.new, every file and the folder itself flushed to disk
    2. rename DIR → .DIR.old
    3. rename .DIR.new → DIR
    4. move what is not ours (logs, notes) from .DIR.old into DIR, then delete .DIR.old

The recovery rule follows from the order. While DIR exists it is whole, and siblings are leftovers. If DIR is
missing and .DIR.old exists, the crash fell between 2 and 3, so .DIR.new was complete: it is the version to take.
If only .DIR.new exists, the very first write was cut short and there is nothing to recover.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from tinygpt.errors import StorageError
from tinygpt.system.files import flush_folder

Owned = Callable[[Path], bool]


def _siblings(folder: Path) -> tuple[Path, Path]:
    """Where the next and the previous version of a folder live while it is being replaced."""
    return folder.parent / f".{folder.name}.new", folder.parent / f".{folder.name}.old"


def find_folder(folder: Path) -> Path | None:
    """The whole version of a folder that a reader should open, or None when there has never been one."""
    resolved = folder.resolve()
    new, old = _siblings(resolved)
    if folder.is_dir():
        return folder
    if old.is_dir():
        return new if new.is_dir() else old
    if folder.is_dir():  # a writer may have come to its step 4 between the two looks
        return folder
    if resolved.parent.is_dir() or resolved.parent == resolved:
        return None
    parent = find_folder(resolved.parent)  # the folder may be part of one that is being replaced
    return parent / resolved.name if parent is not None and (parent / resolved.name).is_dir() else None


def replace_folder(folder: Path, owned: Owned, write: Callable[[Path], None]) -> None:
    """Replace the files that belong to us in a folder, all or none of them.

    Args:
        folder: the folder; made if missing, with its parents.
        owned: whether a path, relative to the folder, is one that the new version replaces or drops. Everything else
            found in the folder is kept.
        write: fills the empty folder that it is given.

    Raises:
        StorageError: the file system refused; the old version is in place, untouched.
    """
    folder = folder.resolve()  # a link stays a link: its target is what gets replaced
    new, old = _siblings(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(folder, owned)
        new.mkdir()
        write(new)
        flush_folder(new)
        _swap(folder, new, old)
        flush_folder(folder.parent)
        if old.is_dir():
            _retire(old, folder, owned)
    except OSError as error:
        _put_back(folder, new, old)
        raise StorageError(
            f"cannot write {folder}: {error.strerror or error}",
            "a folder on a disk with room, in a parent folder that may be written",
            "the same command with another --out, or after freeing space",
        ) from error


def _swap(folder: Path, new: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    new.rename(folder)


def _put_back(folder: Path, new: Path, old: Path) -> None:
    """After a refusal: the old version back under its name, the unfinished one away."""
    if not folder.exists() and old.is_dir():
        with contextlib.suppress(OSError):  # if even that is refused, find_folder still reads the old version
            old.rename(folder)
    shutil.rmtree(new, ignore_errors=True)


def recover_folder(folder: Path, owned: Owned) -> None:
    """Bring an interrupted replacement to its end by the rule above; nothing to do after one that ended.

    Whoever may write anything into the folder, or into a folder below it, does this first: a file that makes the
    folder exist again would pass for a whole version of it.

    Raises:
        OSError: the file system refused.
    """
    folder = folder.resolve()
    new, old = _siblings(folder)
    if old.is_dir():
        if not folder.exists():
            (new if new.is_dir() else old).rename(folder)
        if old.is_dir():
            _retire(old, folder, owned)
    if new.is_dir():
        shutil.rmtree(new)


def _retire(old: Path, folder: Path, owned: Owned, below: Path = Path()) -> None:
    """Delete the previous version, after moving what we did not write into the current one."""
    for entry in sorted((old / below).iterdir()):
        relative = below / entry.name
        if not owned(relative):
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            while target.exists():  # somebody made a file of that name in the meantime: keep both
                target = target.with_name(f"{target.name}.previous")
            entry.rename(target)
        elif entry.is_dir() and not entry.is_symlink():
            _retire(old, folder, owned, relative)
        else:
            entry.unlink()
    (old / below).rmdir()
