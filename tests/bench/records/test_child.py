"""Other projects' modules of our names, in the folder where a command is typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

OURS = os.pathsep.join((str(ROOT), str(ROOT / "site")))


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with packages and modules of the names that ours have, and of some that ours import."""
    for name in ("bench", "tinygpt", "sitegen"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the wrong {name}')")
    for name in ("tasks", "json", "numpy", "worker"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the wrong {name}')")
    return tmp_path


def test_a_measurement_beside_modules_of_our_names(foreign: Path) -> None:
    command = ["bench", "--presets", "tiny", "--engines", "numpy", "--corpus", "python"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tinygpt", *command],
        cwd=foreign,
        env=os.environ | {"PYTHONPATH": OURS},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1/1" in done.stdout and "crashed" not in done.stdout


def test_an_engine_of_ones_own_is_found_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from tinygpt.engines.numpy import NumpyEngine\n\nclass Mine(NumpyEngine):\n    name = 'mine'\n"
    )
    command = ["bench", "--presets", "tiny", "--engines", "mine:Mine", "--corpus", "python"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tinygpt", *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": OURS},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2/2" in done.stdout
