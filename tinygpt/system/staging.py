"""Replace several files of a folder atomically: after a crash at any moment, the old set or the new set is complete.

    1. write the new files into DIR/.saving, every file and the folder itself flushed to disk
    2. rename DIR/.saving → DIR/.saved                                  from here on the new set counts
    3. move each file from DIR/.saved to its place in DIR, and remove those that the new set no longer has
    4. remove DIR/.saved

DIR itself is never renamed, so it may be a mount point, the current folder of a process, or hold folders of others.
Recovery follows from the order: if .saved exists, repeat step 3; .saving alone is an unfinished set and is removed. A
reader that finds .saved takes from it the files that have not been moved yet.

Both folders hold a mark, made first and removed last, that identifies them as this module's. Nothing without it is
touched, and only the set's own files are deleted from a marked folder. A list beside the mark names .saved's files.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from tinygpt.errors import StorageError
from tinygpt.system.files import flush_folder, require_regular, storage_errors, write_file

SAVING, SAVED = ".saving", ".saved"
MARK, _LIST = "made-by-tinygpt", "files.json"
_RUN = "the same command with another --out, or after freeing space"


def replace_files(folder: Path, names: frozenset[str], write: Callable[[Path], None]) -> None:
    """Replace a set of files in a folder, all or none of them. Other files stay as they are.

    Args:
        folder: made if missing, with its parents.
        names: every file that the set may have; those that ``write`` does not make are removed.
        write: fills the empty folder that it is given with files of these names.

    Raises:
        StorageError: the file system refused; the old set or the new set is complete.
    """
    saving = folder / SAVING
    with storage_errors(folder, _RUN):
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
            with suppress(OSError):  # the next save removes what is left
                _remove(saving, names)
            raise
        flush_folder(folder)
        _publish(folder, names)


def finish_replacement(folder: Path, names: frozenset[str]) -> None:
    """Complete a replacement that a crash interrupted, if there is one.

    Raises:
        StorageError: the file system refused.
    """
    with storage_errors(folder, _RUN):
        _finish(folder, names)


def current_files(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Return where each file of the newest complete set is now, by name. Files that the set lacks are left out."""
    listed = _listed(folder / SAVED)
    # A file moves from .saved to its place and never back, so a search in this order finds it.
    places = (folder,) if listed is None else (folder / SAVED, folder)
    wanted = names if listed is None else listed.intersection(names)
    found = {name: next((place / name for place in places if (place / name).exists()), None) for name in wanted}
    return {name: path for name, path in found.items() if path is not None}


def _finish(folder: Path, names: frozenset[str]) -> None:
    if _is_left_over(folder / SAVED):
        _publish(folder, names)
    if _is_left_over(folder / SAVING):
        _remove(folder / SAVING, names)


def _publish(folder: Path, names: frozenset[str]) -> None:
    """Do steps 3 and 4. The list stays until every file is in its place, so that they are repeated after a crash."""
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
    """Read the names in a staging folder's list, None if it has none yet."""
    try:
        require_regular(staging / _LIST)
        return frozenset(json.loads((staging / _LIST).read_bytes())) if (staging / MARK).is_file() else None
    except (OSError, ValueError, TypeError):
        return None


def _is_left_over(staging: Path) -> bool:
    """Return whether an interrupted save left this folder.

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
