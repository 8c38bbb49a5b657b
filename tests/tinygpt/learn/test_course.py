"""The course can be passed, and every kind of mistake gets a hint that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tinygpt.learn.mutants import FAULTS, MUTANTS, Fault, Mutant
from tinygpt.learn import check_one
from tinygpt.learn.check_one import grade
from tinygpt.learn.course import SITTINGS, Exercise, Sitting, sitting_of

SOLUTIONS = Path(__file__).parent / "solutions"
EXERCISES = [(sitting, exercise) for sitting in SITTINGS for exercise in sitting.exercises]
ALL_MUTANTS = [(number, mutant) for number, mutants in MUTANTS.items() for mutant in mutants]


def write_solutions(folder: Path, sitting: Sitting) -> None:
    for number in (*sitting.needs, sitting.number):
        name = f"sitting_{number}.py"
        (folder / name).write_text((SOLUTIONS / name).read_text("utf-8"), "utf-8")


def exercise_named(name: str) -> tuple[Sitting, Exercise]:
    return next((sitting, exercise) for sitting, exercise in EXERCISES if exercise.name == name)


def spoil(path: Path, function: str, right: str, wrong: str) -> None:
    """Replace a text in one function of a file."""
    before, definition, body = re.split(rf"(?m)^(def {function}\()", path.read_text("utf-8"))
    assert right in body, "it changes the solution"
    path.write_text(before + definition + body.replace(right, wrong, 1), "utf-8")


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
def test_a_mistake_gets_its_hint(number: int, mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sitting, exercise = exercise_named(mutant.exercise)
    assert sitting.number == number
    write_solutions(tmp_path, sitting)
    check = check_one._check

    def check_mistaken(folder: Path, of_sitting: int, judged: Exercise) -> tuple[check_one.State, str]:
        # The functions that it uses are solutions, which pass, as the test above shows.
        return check(folder, of_sitting, judged) if judged is exercise else ("passed", "")

    monkeypatch.setattr(check_one, "_check", check_mistaken)
    spoil(tmp_path / sitting.file, mutant.exercise, mutant.right, mutant.wrong)
    state, hint = grade(tmp_path, number, exercise)
    assert state == "wrong"
    assert mutant.hint in hint, hint
    assert "\n" not in hint and len(hint) < 240


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.function}-{fault.judged}")
def test_a_right_function_is_not_accused_of_a_fault_in_another(fault: Fault, tmp_path: Path) -> None:
    sitting, judged = exercise_named(fault.judged)
    write_solutions(tmp_path, sitting)
    spoil(tmp_path / f"sitting_{fault.sitting}.py", fault.function, fault.right, fault.wrong)
    assert grade(tmp_path, sitting.number, judged) == ("not judged", f"not judged: {fault.accused} has to pass first")


@pytest.mark.parametrize("function", ["attention", "attention_backward"])
def test_heads_that_are_split_right_pass_whatever_uses_them(function: str, tmp_path: Path) -> None:
    sitting, split_heads = exercise_named("split_heads")
    write_solutions(tmp_path, sitting)
    spoil(tmp_path / sitting.file, function, "return ", "raise NotImplementedError; return ")
    assert grade(tmp_path, 3, split_heads) == ("passed", "")


@pytest.mark.parametrize(("right", "wrong"), [("return merge_heads(y)", "return 2 * merge_heads(y)"),
                                              ("np.split(qkv, 3", "np.split(qkv[..., ::-1], 3")])  # fmt: skip
def test_a_given_function_that_was_changed_is_named(right: str, wrong: str, tmp_path: Path) -> None:
    sitting, split_heads = exercise_named("split_heads")
    write_solutions(tmp_path, sitting)
    spoil(tmp_path / sitting.file, "multi_head", right, wrong)
    state, hint = grade(tmp_path, 3, split_heads)
    assert state == "wrong" and hint.startswith("split_heads is right; multi_head")
