"""The task learn: a course with exercises that are checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinygpt.terminal.options import option
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class LearnOptions:
    """Options of learn."""

    sitting: int | None = option(None, "number of the sitting to check; all are listed when omitted", leading=True)
    folder: Path = option(
        Path("learn"), "folder of your files; missing ones are written as stubs, others never touched"
    )


@task()
def learn(options: LearnOptions) -> int:
    """Write a GPT yourself in five sittings: stubs to fill in, a check and a hint for each, your progress."""
    from tinygpt.terminal.learn_view import check_sitting, list_sittings

    if options.sitting is None:
        list_sittings(options.folder)
        return 0
    return check_sitting(options.folder, options.sitting)
