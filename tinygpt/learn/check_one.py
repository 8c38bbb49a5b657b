"""The process of one check: ``python -m tinygpt.learn.check_one FOLDER SITTING EXERCISE SECONDS REPORT``.

What the student's code prints goes where it would go anyway. The outcome goes to the file REPORT: [state, hint].
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from tinygpt.learn.course import Exercise, sitting_of
from tinygpt.learn.hints import NotBegun, Wrong
from tinygpt.learn.student import TimeIsUp, is_stub, load_student

TOO_LONG = "still running after the time limit: does every loop end?"


def grade(folder: Path, number: int, exercise: Exercise) -> tuple[str, str]:
    """Check an exercise in this process; return its state and a hint where it is wrong."""
    try:
        if exercise.planted and is_stub(folder, number, exercise.name, sitting_of(number).stub):
            return "not begun", ""
        exercise.check(load_student(folder, number))
    except NotBegun:
        return "not begun", ""
    except Wrong as wrong:
        return "wrong", str(wrong)
    except TimeIsUp:  # outside of the student's own functions: a forward that is differentiated
        return "wrong", TOO_LONG
    except Exception as error:  # an answer can have any form
        return "wrong", f"the answer has a form that cannot be checked ({type(error).__name__}: {error})"
    return "passed", ""


def main() -> None:
    """Check one exercise and write its outcome."""
    folder, number, name, seconds, report = sys.argv[1:]
    exercise = next(exercise for exercise in sitting_of(int(number)).exercises if exercise.name == name)
    if hasattr(signal, "SIGALRM"):  # elsewhere the parent's time limit does it, and knows no line
        signal.signal(signal.SIGALRM, _time_is_up)
        signal.alarm(int(seconds))
    outcome = grade(Path(folder), int(number), exercise)
    Path(report).write_text(json.dumps(outcome), "utf-8")


def _time_is_up(*_: Any) -> None:
    raise TimeIsUp


if __name__ == "__main__":
    main()
