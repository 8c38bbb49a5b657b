"""What a run's folder keeps beside its newest checkpoint: the last ones before it, and the best.

    DIR/                             the newest
    DIR/checkpoints/step-00000400/   one of the last ones, whole: the run can go on from it
    DIR/checkpoints/best/            the lowest held-out loss, to sample from: weights without AdamW's moments

Each is a checkpoint folder of its own. One of the last is a second name of the files that were written when it was
the newest (a save never writes into a file that stands), so that keeping costs room but no time.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from tinygpt.checkpoints.layout import FILES, KEPT, STATE
from tinygpt.errors import StorageError
from tinygpt.system.files import link_file
from tinygpt.system.staging import current_files, finish_replacement, replace_files

_STEP = re.compile(r"step-(\d{8,})")


def kept_name(step: int) -> str:
    """The folder of one of the last checkpoints."""
    return f"step-{step:08}"


def kept_folder(directory: Path, name: str) -> Path:
    """The folder of a kept checkpoint.

    Raises:
        StorageError: it is a link, and what is written there would land elsewhere.
    """
    path = directory / KEPT / name
    for part in (path.parent, path):
        if part.is_symlink():
            raise StorageError(f"{part} is a link", "a folder", f"rm {part}")
    return path


def kept_checkpoints(directory: Path) -> dict[int, Path]:
    """The last checkpoints before the newest, by step, newest first; says nothing about their health."""
    return {step: path for step, path in _kept_folders(directory).items() if current_files(path, [STATE])}


def _kept_folders(directory: Path) -> dict[int, Path]:
    try:
        entries = {int(m[1]): entry for entry in (directory / KEPT).iterdir() if (m := _STEP.fullmatch(entry.name))}
    except OSError:
        return {}
    return dict(sorted(entries.items(), reverse=True))


def keep_newest(directory: Path) -> None:
    """Give the newest checkpoint, if it is whole, a second place among the kept ones.

    Raises:
        OSError, StorageError: the file system refused.
    """
    step = _step_of(directory / STATE)
    if step is None or not all((directory / name).is_file() for name in FILES):
        return
    folder = kept_folder(directory, kept_name(step))
    if current_files(folder, FILES).keys() != FILES:
        replace_files(folder, FILES, lambda new: link_files(directory, new))


def drop_older(directory: Path, keep: int, step: int) -> None:
    """Delete kept checkpoints: all but the last few, and those of a past that is being written anew.

    Args:
        directory: the run's folder.
        keep: how many stay.
        step: of the newest checkpoint; kept ones are older.

    Raises:
        OSError, StorageError: the file system refused.
    """
    folders = _kept_folders(directory)
    staying = sorted((number for number in folders if number < step), reverse=True)[:keep]
    for number, folder in folders.items():
        if number not in staying and not folder.is_symlink():
            finish_replacement(folder, FILES)
            for name in sorted(FILES, reverse=True):  # the state first: without it a folder is no checkpoint
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # it holds files of others
                folder.rmdir()
    with suppress(OSError):  # as nearly always, something is in it
        (directory / KEPT).rmdir()


def link_files(source: Path, target: Path) -> None:
    """Give the files of a checkpoint a second place; those that are missing are missing there too.

    Raises:
        OSError: the file system refused.
    """
    for name, path in current_files(source, FILES).items():
        link_file(path, target / name)


def _step_of(state: Path) -> int | None:
    """The step that a training state names, if it can be understood."""
    try:
        step = json.loads(state.read_bytes())["training"]["step"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return step if isinstance(step, int) and 0 <= step < 10**18 else None
