"""Kept checkpoints: the last ones before a run's newest checkpoint, and the best.

    DIR/                             the newest
    DIR/checkpoints/step-00000400/   one of the last ones, complete: the run can continue from it
    DIR/checkpoints/best/            the lowest held-out loss, for sampling: weights without AdamW's moments

Each is a complete checkpoint folder. One of the last consists of second names for the files that were written when it
was the newest (a save never writes into an existing file), so keeping it takes space but no time.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from tinygpt.checkpoints.layout import FILES, KEPT, STATE, is_resumable
from tinygpt.errors import CheckpointError, StorageError
from tinygpt.system.files import link_file
from tinygpt.system.json_records import read_json
from tinygpt.system.staging import current_files, finish_replacement, replace_files

_STEP = re.compile(r"step-(\d{8,})")


def kept_folder(directory: Path, name: str) -> Path:
    """Return the folder of a kept checkpoint; raise a StorageError if it is a link, which leads elsewhere."""
    path = directory / KEPT / name
    for part in (path.parent, path):
        if part.is_symlink():
            raise StorageError(f"{part} is a link", "a folder", f"rm {part}")
    return path


def kept_checkpoints(directory: Path) -> dict[int, Path]:
    """Return the last checkpoints before the newest, sound or damaged, by step, newest first."""
    return {step: path for step, path in _kept_folders(directory).items() if current_files(path, [STATE])}


def _kept_folders(directory: Path) -> dict[int, Path]:
    try:
        entries = {int(m[1]): entry for entry in (directory / KEPT).iterdir() if (m := _STEP.fullmatch(entry.name))}
    except OSError:
        return {}
    return dict(sorted(entries.items(), reverse=True))


def keep_newest(directory: Path) -> None:
    """Link the newest checkpoint, if it is complete, among the kept ones.

    Raises:
        OSError, StorageError: the file system refused.
    """
    step = _step_of(directory / STATE)
    if step is None or not is_resumable(name for name in FILES if (directory / name).is_file()):
        return
    folder = kept_folder(directory, f"step-{step:08}")
    if not is_resumable(current_files(folder, FILES)):
        replace_files(folder, FILES, lambda new: link_files(directory, new))


def drop_older(directory: Path, keep: int, step: int) -> None:
    """Delete kept checkpoints: all but the last few, and those after the newest checkpoint of a repeated run.

    Args:
        directory: the run's folder.
        keep: the number that stays.
        step: the newest checkpoint's; kept ones must be older.

    Raises:
        OSError, StorageError: the file system refused.
    """
    if (directory / KEPT).is_symlink():  # what it leads to is not this run's
        return
    folders = _kept_folders(directory)
    staying = sorted((number for number in folders if number < step), reverse=True)[:keep]
    for number, folder in folders.items():
        if number not in staying and not folder.is_symlink():
            finish_replacement(folder, FILES)
            for name in sorted(FILES, reverse=True):  # the state first: a folder without it is no checkpoint
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # it has other files
                folder.rmdir()
    with suppress(OSError):  # usually it is not empty
        (directory / KEPT).rmdir()


def link_files(source: Path, target: Path) -> None:
    """Link the existing files of a checkpoint into another folder; raise an OSError if the file system refuses."""
    for name, path in current_files(source, FILES).items():
        link_file(path, target / name)


def _step_of(state: Path) -> int | None:
    """Return the step in a training state, or None if it cannot be read."""
    try:
        step = read_json(state)["training"]["step"]
    except (CheckpointError, KeyError, TypeError):
        return None
    return step if isinstance(step, int) and 0 <= step < 10**18 else None
