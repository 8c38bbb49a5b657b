"""The task `invoke learn`: stubs, outcomes, progress, and code that does not end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests import ROOT
from tests.conftest import Typed
from tests.tinygpt.learn.test_course import SOLUTIONS
from tinygpt.learn import grading
from tinygpt.learn.course import SITTINGS, Sitting, sitting_of
from tinygpt.learn.hints import Unusable


def grades_of(folder: Path, sitting: Sitting = SITTINGS[0]) -> dict[str, tuple[str, str]]:
    return {grade.exercise.name: (grade.state, grade.hint) for grade in grading.grade_sitting(folder, sitting)}


def one_exercise(name: str, seconds: int = 20) -> Sitting:
    """Sitting 1 with a single exercise: each has a process of its own, which takes a while to start."""
    (exercise,) = (exercise for exercise in SITTINGS[0].exercises if exercise.name == name)
    return replace(SITTINGS[0], exercises=(replace(exercise, seconds=seconds),))


def solve(folder: Path, number: int) -> Path:
    path = folder / f"sitting_{number}.py"
    folder.mkdir(exist_ok=True)
    path.write_text((SOLUTIONS / path.name).read_text("utf-8"), "utf-8")
    return path


def test_a_first_call_writes_stubs_and_a_solved_sitting_passes(typed: Typed, tmp_path: Path) -> None:
    listing = typed("learn")
    assert listing.returncode == 0 and "next: invoke learn 1" in listing.stdout
    assert not list(tmp_path.iterdir()), "a list writes nothing"
    first = typed("learn", "2")
    assert first.returncode == 1 and first.stdout.count("not begun") == 5 and "0 of 5 pass" in first.stdout
    assert (tmp_path / "learn/sitting_2.py").read_text("utf-8") == sitting_of(2).stub
    path = solve(tmp_path / "learn", 2)
    written = path.read_bytes()
    done = typed("learn", "--sitting", "2")
    assert done.returncode == 0 and "all 5 pass" in done.stdout, done.stdout
    assert path.read_bytes() == written
    assert "✓ 2  ■■■■■" in typed("learn").stdout
    path.write_text(path.read_text("utf-8").replace("targets.size", "len(targets)"), "utf-8")
    assert "· 2  ■■■■■   linear, GELU and softmax backward  changed since it was checked" in typed("learn").stdout
    again = typed("learn", "2")
    assert again.returncode == 1 and "times T" in again.stdout and "cross_entropy.md#cross-entropy" in again.stdout
    assert "· 2  ■■■■□" in typed("learn").stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("learn", "9"), "unknown sitting 9; allowed: 1, 2"),
        (("learn", "three"), "--sitting is 'three'; allowed: a whole number"),
        (("learn", "1", "2"), "learn takes no value '2'"),
        (("learn", "1", "--folder", "file"), "--folder is 'file', and file is no folder; allowed: a folder, new or"),
        (("learn", "--folder", "file"), "--folder is 'file', and file is no folder; allowed: a folder, new or"),
        (("learn", "--folder", "file/in"), "--folder is 'file/in', and file is no folder; allowed: a folder, new or"),
    ],
)
def test_bad_input_gets_one_clear_line(words: tuple[str, ...], part: str, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = typed(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and part in done.stderr


def test_a_loop_without_an_end_costs_its_exercise_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = solve(tmp_path, 1)
    text = path.read_text("utf-8").replace(
        "    inputs, targets = inputs_and_targets(ids)\n    np.add", "    while True: pass\n    np.add"
    )
    path.write_text(text, "utf-8")
    hint = "sitting_1.py, line 16: still running after the time limit: does every loop end?"
    assert grades_of(tmp_path, one_exercise("count_pairs", 1)) == {"count_pairs": ("wrong", hint)}
    endless = "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass"
    path.write_text(text.replace("while True: pass", endless), "utf-8")
    monkeypatch.setattr("tinygpt.learn.grading._PATIENCE", 0.5)
    hint = "still running after the time limit: does every loop end?"
    assert grades_of(tmp_path, one_exercise("count_pairs", 1)) == {"count_pairs": ("wrong", hint)}
    assert grades_of(tmp_path, one_exercise("to_ids")) == {"to_ids": ("passed", "")}


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("raise SystemExit(3)", "sitting_1.py, line 3: SystemExit: 3"),
        ("def broken(:", "sitting_1.py, line 3: SyntaxError: invalid syntax"),
        ("import nosuchmodule", "sitting_1.py, line 3: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("input()", "sitting_1.py, line 3: EOFError"),
    ],
)
def test_a_file_that_cannot_be_imported_says_why(code: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "sitting_1.py"
    path.write_text(f"import numpy as np\n\n{code}\n", "utf-8")
    with pytest.raises(Unusable, match=re.escape(hint)):
        grades_of(tmp_path, one_exercise("to_ids"))


def test_what_stops_the_import_is_said_once(typed: Typed, tmp_path: Path) -> None:
    path = solve(tmp_path / "learn", 1)
    path.write_text("import numpy as np\nimport nosuchmodule\n", "utf-8")
    done = typed("learn", "1")
    assert done.returncode == 1
    assert done.stdout.count("nosuchmodule") == 1 and "✗ sitting_1.py, line 2: ModuleNotFoundError" in done.stdout
    assert "nothing was checked" in done.stdout


def test_a_function_that_ends_the_process_is_wrong(tmp_path: Path) -> None:
    path = solve(tmp_path, 1)
    path.write_text(path.read_text("utf-8").replace("    return np.frombuffer", "    import os; os._exit(3)"), "utf-8")
    hint = "the check's process ended with code 3 and no result"
    assert grades_of(tmp_path, one_exercise("to_ids")) == {"to_ids": ("wrong", hint)}


def test_a_damaged_progress_file_is_replaced(tmp_path: Path) -> None:
    solve(tmp_path, 1)
    for damage in ("", "{", "[]", '{"1": 3}', '{"1": {"passed": [1, 2], "files": null}}'):
        (tmp_path / "progress.json").write_text(damage)
        assert [standing.passed for standing in grading.standings(tmp_path)] == [0] * len(SITTINGS)
    grades_of(tmp_path, one_exercise("to_ids"))
    assert grading.standings(tmp_path)[0].passed == 1
    assert json.loads((tmp_path / "progress.json").read_text())["1"]["passed"] == ["to_ids"]


def test_what_the_students_code_prints_is_shown_and_harms_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = solve(tmp_path, 1)
    path.write_text(
        path.read_text("utf-8").replace(
            "    return -np.log", "    print('[\"passed\"]', ids.shape)\n    return -np.log"
        ),
        "utf-8",
    )
    assert grades_of(tmp_path, one_exercise("nats_per_byte")) == {"nats_per_byte": ("passed", "")}
    assert '["passed"] (37,)' in capfd.readouterr().out


def test_an_interrupt_ends_the_check_and_leaves_the_files(tmp_path: Path) -> None:
    path = solve(tmp_path / "learn", 1)
    path.write_text(
        path.read_text("utf-8").replace(
            "    return ids[:-1], ids[1:]", "    print('looping', flush=True)\n    while True: pass"
        )
    )
    before = path.read_bytes()
    paths = os.pathsep.join([str(ROOT), str(ROOT / "site")])
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygpt", "learn", "1"], cwd=tmp_path, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if "looping" in line:
            break
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert errors.strip() == "stopped"
    assert path.read_bytes() == before and not (tmp_path / "learn/progress.json").exists()
