"""Replace several files of a folder as one act: after a crash at any moment, the old set or the new one is whole.

    1. write the new files into DIR/.saving, every file and the folder itself flushed to disk
    2. rename DIR/.saving → DIR/.saved                                  from here on the new set counts
    3. move each file from DIR/.saved to its place in DIR, and remove those that the new set no longer has
    4. remove DIR/.saved

DIR itself is never renamed, so it may be a mount point, the current folder of a process, or hold folders of others.
Recovery follows from the order: with .saved there, step 3 is done again; .saving alone is an unfinished set and goes. A
reader that meets .saved takes from it what has not been moved yet.

Both folders hold a mark, made first and removed last, that says they are this module's. Nothing without it is touched,
and of a marked folder only the set's own files are ever deleted. What .saved has to hold is in a list beside the mark.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinygpt.errors import StorageError
from tinygpt.system.files import flush_folder, write_file

SAVING, SAVED = ".saving", ".saved"
MARK, _LIST = "made-by-tinygpt", "files.json"


def replace_files(folder: Path, names: frozenset[str], write: Callable[[Path], None]) -> None:
    """Replace a set of files in a folder, all or none of them. Every other file in it is left alone.

    Args:
        folder: made if missing, with its parents.
        names: every file that the set may have; those that ``write`` does not make are removed.
        write: fills the empty folder that it is given with files of these names.

    Raises:
        StorageError: the file system refused; the old set is whole, or the new one is.
    """
    saving = folder / SAVING
    with _storage_errors(folder):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            flush_folder(folder.parent)
        _finish(folder, names)
        saving.mkdir()
        try:
            write_file(saving / MARK, [])
            write(saving)
            listed = [name for name in sorted(names) if (saving / name).exists()]
            write_file(saving / _LIST, [json.dumps(listed).encode()])
            flush_folder(saving)
            saving.rename(folder / SAVED)
        except OSError:
            with suppress(OSError):  # what cannot be removed now is removed by the next save
                _remove(saving, names)
            raise
        flush_folder(folder)
        _publish(folder, names)


def finish_replacement(folder: Path, names: frozenset[str]) -> None:
    """Bring a replacement that a crash interrupted to its end; nothing to do after one that ended.

    Raises:
        StorageError: the file system refused.
    """
    with _storage_errors(folder):
        _finish(folder, names)


def current_files(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Where the files of the newest whole set are at this moment, by name; those that the set lacks are left out."""
    listed = _listed(folder / SAVED)
    # A file goes from .saved to its place, never back: looked for in this order, it is found.
    places = (folder,) if listed is None else (folder / SAVED, folder)
    wanted = names if listed is None else listed.intersection(names)
    found = {name: next((place / name for place in places if (place / name).exists()), None) for name in wanted}
    return {name: path for name, path in found.items() if path is not None}


def _finish(folder: Path, names: frozenset[str]) -> None:
    for staging in (folder / SAVED, folder / SAVING):
        if not _is_there(staging):
            continue
        if staging.name == SAVED:
            _publish(folder, names)
        else:
            _remove(staging, names)


def _publish(folder: Path, names: frozenset[str]) -> None:
    """Take steps 3 and 4. The list stays until every file is in its place, so that a crash repeats them."""
    saved = folder / SAVED
    listed = _listed(saved)
    if listed is not None:
        for name in sorted(names):
            if name not in listed:
                (folder / name).unlink(missing_ok=True)
            elif (saved / name).exists():
                (saved / name).replace(folder / name)
        flush_folder(folder)
    _remove(saved, names)


def _remove(staging: Path, names: frozenset[str]) -> None:
    for name in (_LIST, *sorted(names), MARK):
        (staging / name).unlink(missing_ok=True)
    staging.rmdir()


def _listed(staging: Path) -> frozenset[str] | None:
    """The names in a staging folder's list, None while it has none."""
    try:
        return frozenset(json.loads((staging / _LIST).read_bytes())) if (staging / MARK).is_file() else None
    except (OSError, ValueError, TypeError):
        return None


def _is_there(staging: Path) -> bool:
    """Whether a staging folder is left from a save that was cut short.

    Raises:
        StorageError: something else has its name.
    """
    try:
        is_folder = stat.S_ISDIR(staging.lstat().st_mode)
    except FileNotFoundError:
        return False
    if not is_folder or not ((staging / MARK).is_file() or next(staging.iterdir(), None) is None):
        raise StorageError(f"{staging} is in the way", "a folder without it", f"mv {staging} to another place")
    return True


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write {folder}: {error.strerror or error}",
            "a folder that may be written, on a disk with room",
            "the same command with another --out, or after freeing space",
        ) from error
