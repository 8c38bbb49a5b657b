"""The course on a terminal: the list of sittings with progress, and a sitting's exercises with their hints."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from tinygpt.learn.check_one import State
from tinygpt.learn.course import sitting_of
from tinygpt.learn.grading import Grade, grade_sitting, standings, write_stubs
from tinygpt.learn.hints import Unusable
from tinygpt.terminal.output import make_console, print_line

# state → mark and style
_MARKS: Mapping[State, tuple[str, str]] = MappingProxyType(
    {"passed": ("✓", "green"), "wrong": ("✗", "red"), "not begun": ("·", "dim"), "not judged": ("·", "yellow")}
)


def list_sittings(folder: Path) -> None:
    """Print every sitting with the progress in a folder, and the command that continues."""
    console, following = make_console(), None
    for standing in standings(folder):
        sitting, count = standing.sitting, len(standing.sitting.exercises)
        mark, style = _MARKS["passed" if standing.is_complete else "not begun"]
        marks = "■" * standing.passed + "□" * (count - standing.passed)
        note = "  changed since it was checked" if standing.changed else ""
        print_line(console, f"{mark} {sitting.number}  {marks:<6}  {sitting.title}{note}", style)
        if following is None and not standing.is_complete:
            following = sitting.number
    run = f"invoke learn {following}{_folder_option(folder)}" if following else ""
    print_line(console, f"next: {run}" if run else "all sittings pass")


def check_sitting(folder: Path, number: int) -> int:
    """Write missing stubs, check a sitting's exercises one after the other, and print each outcome.

    Returns:
        0 if all of them pass, else 1.
    """
    sitting, console = sitting_of(number), make_console()
    for name in write_stubs(folder, sitting):
        print_line(console, f"wrote {folder / name}")
    print_line(console, f"sitting {number}: {sitting.title}", "bold")
    widest, states = max(len(exercise.name) for exercise in sitting.exercises), Counter[State]()
    run = f"invoke learn {number}{_folder_option(folder)}"
    try:
        for grade in grade_sitting(folder, sitting):
            states[grade.state] += 1
            _print_grade(console, grade, widest)
            sys.stdout.flush()
    except Unusable as problem:
        mark, style = _MARKS["wrong"]
        print_line(console, f"  {mark} {problem}", style)
        print_line(console, f"nothing was checked; repair that line, then: {run}")
        return 1
    passed, count = states["passed"], len(sitting.exercises)
    if passed == count:
        print_line(console, f"all {count} pass")
        return 0
    print_line(console, f"{passed} of {count} pass; write in {folder / sitting.file}, then: {run}")
    return 1


def _print_grade(console: Console, grade: Grade, widest: int) -> None:
    mark, style = _MARKS[grade.state]
    indent = " " * (widest + 6)
    print_line(console, f"  {mark} {grade.exercise.name:<{widest}}  {grade.hint or grade.state}", style)
    if grade.state in ("wrong", "not begun"):
        print_line(console, f"{indent}read docs/{grade.exercise.read}", "dim")


def _folder_option(folder: Path) -> str:
    """Return the option that a command needs to find the folder again."""
    return "" if folder == Path("learn") else f" --folder {shlex.quote(str(folder))}"
