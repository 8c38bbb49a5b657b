"""What a run's folder keeps beside its newest checkpoint: the last ones before it, and the best.

    DIR/                             the newest
    DIR/checkpoints/step-00000400/   one of the last ones, whole: the run can go on from it
    DIR/checkpoints/best/            the lowest held-out loss, to sample from: weights without AdamW's moments

Each is a checkpoint folder of its own. One of the last is a second name of the files that were written when it was
the newest (nobody writes to them afterwards), so that keeping costs room but no time. A save exchanges the whole tree
in one act.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tinygpt.system.files import flush_folder, link_file

KEPT = "checkpoints"
BEST = "best"
_STEP = re.compile(r"step-(\d{8,})")


def kept_name(step: int) -> str:
    """The folder of one of the last checkpoints."""
    return f"step-{step:08}"


def kept_checkpoints(directory: Path) -> dict[int, Path]:
    """The last checkpoints before the newest, by step, newest first; says nothing about their health."""
    try:
        entries = {int(m[1]): entry for entry in (directory / KEPT).iterdir() if (m := _STEP.fullmatch(entry.name))}
    except OSError:
        return {}
    return dict(sorted(entries.items(), reverse=True))


def is_kept_name(name: str) -> bool:
    """Whether a folder of this name is one of ours."""
    return name == BEST or _STEP.fullmatch(name) is not None


def carry_over(old: Path, new: Path, keep: int, step: int, names: frozenset[str], state_name: str) -> None:
    """Give the new version of a folder the kept checkpoints of the old one, and the old one itself.

    Args:
        old: the version in place; it need not exist, and is kept only with all its files.
        new: the version being written.
        keep: how many of the last ones before the new one.
        step: of the new version. What is not older than it belongs to a past that is being written anew.
        names: the files of a checkpoint.
        state_name: the one among them that says the step.

    Raises:
        OSError: the file system refused.
    """
    earlier = kept_checkpoints(old)
    before = _step_of(old / state_name)
    if before is not None and all((old / name).is_file() for name in names):
        earlier |= {before: old}
    chosen = sorted((number for number in earlier if number < step), reverse=True)[:keep]
    sources = {kept_name(number): earlier[number] for number in chosen}
    for name, source in (sources | {BEST: old / KEPT / BEST}).items():
        link_files(source, new / KEPT / name, names)
    if (new / KEPT).is_dir():
        flush_folder(new / KEPT)


def link_files(source: Path, target: Path, names: frozenset[str]) -> None:
    """Give the files of a checkpoint a second place; those that are missing are missing there too."""
    found = sorted(name for name in names if (source / name).is_file())
    if found:
        target.mkdir(parents=True)
    for name in found:
        link_file(source / name, target / name)
    if found:
        flush_folder(target)


def _step_of(state: Path) -> int | None:
    """The step that a training state names, if it can be understood."""
    try:
        step = json.loads(state.read_bytes())["training"]["step"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return step if isinstance(step, int) and 0 <= step < 10**18 else None
