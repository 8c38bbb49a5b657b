"""The process that draws: the same bytes as here, errors that arrive, and an end in every case."""

from __future__ import annotations

import json
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path

import pytest

from sitegen.text.drawing import draw, second_process
from sitegen.text.errors import SiteError
from tests import ROOT

SPEC = json.dumps(
    {
        "data": {"values": [{"x": 1}, {"x": 2}]},
        "mark": "point",
        "width": "container",
        "encoding": {"x": {"field": "x", "type": "quantitative"}},
    }
)
REST = ("6.4", ("A finding", "a measure", "a source"))
KILLED = """
import os, signal, sys
from pathlib import Path
from sitegen.text.drawing import second_process

if __name__ == "__main__":
    with second_process() as start:
        start(sys.argv[1], "6.4", ("", "", ""), Path(sys.argv[2]))()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_another_process_draws_the_same_and_hands_its_errors_on(tmp_path: Path) -> None:
    with second_process() as start:
        there, broken = (start(spec, *REST, tmp_path / "there") for spec in (SPEC, "no JSON"))
        assert there() == draw(SPEC, *REST, tmp_path / "here")
        with pytest.raises(ValueError, match="JSON"):
            broken()


def test_a_process_that_is_killed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="was ended"), second_process() as start:
        drawing = start(SPEC, *REST, tmp_path)
        [process] = active_children()
        process.kill()
        drawing()


def test_the_process_ends_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    script.write_text(KILLED)
    # The call returns once no process has the other end of stdout, and the process that draws has it too.
    ended = subprocess.run(
        [sys.executable, script, SPEC, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, timeout=60, check=False,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'site'}"},
    )  # fmt: skip
    assert ended.returncode == -9
