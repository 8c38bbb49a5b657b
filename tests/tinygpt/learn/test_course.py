"""The course can be passed, and every kind of mistake gets a hint that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tinygpt.learn.mutants import MUTANTS, Mutant
from tinygpt.learn.check_one import grade
from tinygpt.learn.course import SITTINGS, Exercise, Sitting, sitting_of

SOLUTIONS = Path(__file__).parent / "solutions"
EXERCISES = [(sitting, exercise) for sitting in SITTINGS for exercise in sitting.exercises]
ALL_MUTANTS = [(number, mutant) for number, mutants in MUTANTS.items() for mutant in mutants]


def write_solutions(folder: Path, sitting: Sitting) -> None:
    for number in (*sitting.needs, sitting.number):
        name = f"sitting_{number}.py"
        (folder / name).write_text((SOLUTIONS / name).read_text("utf-8"), "utf-8")


@pytest.mark.parametrize(("sitting", "exercise"), EXERCISES, ids=lambda value: getattr(value, "name", ""))
def test_an_exercise_is_solvable_and_its_stub_is_not_begun(
    sitting: Sitting, exercise: Exercise, tmp_path: Path
) -> None:
    for number in (*sitting.needs, sitting.number):
        (tmp_path / f"sitting_{number}.py").write_text(sitting_of(number).stub, "utf-8")
    assert grade(tmp_path, sitting.number, exercise) == ("not begun", "")
    write_solutions(tmp_path, sitting)
    assert grade(tmp_path, sitting.number, exercise) == ("passed", "")


@pytest.mark.parametrize(("number", "mutant"), ALL_MUTANTS, ids=[f"{m.exercise}-{m.hint[:30]}" for _, m in ALL_MUTANTS])
def test_a_mistake_gets_its_hint(number: int, mutant: Mutant, tmp_path: Path) -> None:
    sitting = sitting_of(number)
    write_solutions(tmp_path, sitting)
    path = tmp_path / sitting.file
    before, definition, body = re.split(rf"(?m)^(def {mutant.exercise}\()", path.read_text("utf-8"))
    assert mutant.right in body, "the mutant changes the solution"
    path.write_text(before + definition + body.replace(mutant.right, mutant.wrong, 1), "utf-8")
    exercise = next(exercise for exercise in sitting.exercises if exercise.name == mutant.exercise)
    state, hint = grade(tmp_path, number, exercise)
    assert state == "wrong"
    assert mutant.hint in hint, hint
    assert "\n" not in hint and len(hint) < 240
