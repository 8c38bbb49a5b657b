"""The process of one check: ``python -m tinygpt.learn.check_one FOLDER SITTING EXERCISE SECONDS REPORT``.

What the student's code prints goes where it would go anyway. The outcome goes to the file REPORT: [state, hint].
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any, Literal

from tinygpt.learn.course import Exercise, exercise_of, sitting_of
from tinygpt.learn.hints import NotBegun, Unusable, Wrong
from tinygpt.learn.student import TimeIsUp, is_stub, load_student

State = Literal["passed", "not begun", "wrong", "not judged", "unusable"]
TOO_LONG = "still running after the time limit: does every loop end?"


def grade(folder: Path, number: int, exercise: Exercise) -> tuple[State, str]:
    """Check an exercise in this process; return its state and a hint where it is wrong.

    A function that fails beside a wrong one that it uses is not judged: the fault may be the other's.
    """
    state, hint = _check(folder, number, exercise)
    if state == "wrong":
        for name in exercise.uses:
            sitting, used = exercise_of(name)
            state_of_used, hint_of_used = grade(folder, sitting.number, used)
            if state_of_used == "not judged":
                return "not judged", hint_of_used
            if state_of_used != "passed":
                where = "" if sitting.number == number else f" of {sitting.file}"
                return "not judged", f"not judged: {name}{where} has to pass first"
    return state, hint


def _check(folder: Path, number: int, exercise: Exercise) -> tuple[State, str]:
    try:
        student = load_student(folder, number)
        if is_stub(folder, number, exercise.name, sitting_of(number).stub):
            return "not begun", ""
        exercise.check(student)
    except NotBegun:
        return "not begun", ""
    except Unusable as problem:
        return "unusable", str(problem)
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
