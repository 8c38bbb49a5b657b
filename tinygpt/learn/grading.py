"""Grades of a sitting: stubs where files are missing, each exercise checked in a process of its own, progress stored.

    FOLDER/sitting_3.py     the student's; written once, as a stub, and never again
    FOLDER/progress.json    exercise → passed, with a hash of the files that were checked

A check runs the student's code, which may not end, or may end the process; so it has a process and a time limit.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygpt.errors import ConfigError
from tinygpt.learn.check_one import TOO_LONG, State
from tinygpt.learn.course import SITTINGS, Exercise, Sitting, sitting_of
from tinygpt.learn.hints import Unusable
from tinygpt.system.files import replace_file, storage_errors

PROGRESS = "progress.json"
_PATIENCE = 10  # seconds that a process gets beyond its exercise's time limit, to start and to report


@dataclass(frozen=True)
class Grade:
    """The outcome of an exercise: its state, and one hint where it did not pass."""

    exercise: Exercise
    state: State
    hint: str = ""


@dataclass(frozen=True)
class Standing:
    """Exercises of a sitting that passed when it was last checked, and whether its files have changed since."""

    sitting: Sitting
    passed: int
    changed: bool

    @property
    def is_complete(self) -> bool:
        """All exercises passed, with the files as they are."""
        return not self.changed and self.passed == len(self.sitting.exercises)


def require_folder(folder: Path) -> None:
    """Refuse a path that cannot be a folder.

    Raises:
        ConfigError: it, or a part of it, is a file.
    """
    for part in (folder, *folder.parents):
        if part.exists() and not part.is_dir():
            problem = f"--folder is '{folder}', and {part} is no folder"
            raise ConfigError(problem, "a folder, new or with files of the course", "invoke learn --folder DIR")


def write_stubs(folder: Path, sitting: Sitting) -> list[str]:
    """Write the missing files of a sitting and of those that it needs; files that exist are left alone.

    Returns:
        the names of the new files.

    Raises:
        ConfigError: the folder is a file.
        StorageError: the folder cannot be written.
    """
    require_folder(folder)
    new = []
    with storage_errors(folder, "invoke learn --folder DIR"):
        folder.mkdir(parents=True, exist_ok=True)
    for needed in (*map(sitting_of, sitting.needs), sitting):
        path = folder / needed.file
        if not os.path.lexists(path):  # a broken link is a student's too
            replace_file(path, [needed.stub.encode()])
            new.append(needed.file)
    return new


def grade_sitting(folder: Path, sitting: Sitting) -> Iterator[Grade]:
    """Check the exercises of a sitting in order; store the progress after the last one.

    Raises:
        Unusable: the student's file cannot be imported, so no exercise can be checked.
        StorageError: the progress cannot be written.
    """
    before, grades = _digest(folder, sitting), []
    for exercise in sitting.exercises:
        grade = _grade(folder, sitting, exercise)
        grades.append(grade)
        yield grade
    progress = _read_progress(folder)
    progress[str(sitting.number)] = {
        "files": before,
        "passed": [grade.exercise.name for grade in grades if grade.state == "passed"],
    }
    replace_file(folder / PROGRESS, [json.dumps(progress, indent=1, sort_keys=True).encode() + b"\n"])


def _grade(folder: Path, sitting: Sitting, exercise: Exercise) -> Grade:
    """Check one exercise in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="tinygpt-learn-") as reports:
        report = Path(reports) / "grade.json"
        limit = exercise.seconds
        words = (str(folder), str(sitting.number), exercise.name, str(limit), str(report))
        path = os.pathsep.join(part for part in sys.path if part)  # a checkout that is not installed is found there
        try:
            done = subprocess.run(
                [sys.executable, "-m", "tinygpt.learn.check_one", *words],
                stdin=subprocess.DEVNULL, timeout=limit + _PATIENCE, check=False,
                start_new_session=True,  # Ctrl-C ends this process, which ends that one
                env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Grade(exercise, "wrong", TOO_LONG)
        try:
            state, hint = json.loads(report.read_bytes())
        except (OSError, ValueError):
            return Grade(exercise, "wrong", f"the check's process ended with code {done.returncode} and no result")
    if state == "unusable":
        raise Unusable(hint)
    return Grade(exercise, state, hint)


def standings(folder: Path) -> list[Standing]:
    """Return the stored progress of each sitting, without checking anything again.

    Raises:
        ConfigError: the folder is a file.
    """
    require_folder(folder)
    progress, found = _read_progress(folder), []
    for sitting in SITTINGS:
        stored = progress.get(str(sitting.number), {})
        known = [exercise.name for exercise in sitting.exercises if exercise.name in stored.get("passed", [])]
        changed = bool(known) and stored.get("files") != _digest(folder, sitting)
        found.append(Standing(sitting, len(known), changed))
    return found


def _digest(folder: Path, sitting: Sitting) -> str:
    """Return a hash of the files that a sitting's checks read; a missing file counts as empty."""
    digest = hashlib.sha256()
    for number in (*sitting.needs, sitting.number):
        path = folder / f"sitting_{number}.py"
        digest.update(hashlib.sha256(path.read_bytes() if path.is_file() else b"").digest())
    return digest.hexdigest()


def _read_progress(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the stored progress; nothing if there is none, or if the file is damaged: checking again restores it."""
    try:
        progress = json.loads((folder / PROGRESS).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(progress, dict):
        return {}
    return {number: stored for number, stored in progress.items() if isinstance(stored, dict)}
