"""Other projects' modules of our names, in the folder where a command is typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import environment
from tests.bench.conftest import TEXT

ENGINE = """
from tinygpt.engines.numpy import NumpyEngine

class Mine(NumpyEngine):
    name = "mine"
"""


def test_an_engine_of_ones_own_is_measured_beside_modules_of_our_names(tmp_path: Path) -> None:
    for name in ("bench", "tinygpt", "sitegen"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the wrong {name}')")
    for name in ("tasks", "json", "numpy", "worker"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the wrong {name}')")
    (tmp_path / "mine.py").write_text(ENGINE)
    (tmp_path / "text.txt").write_bytes(TEXT)
    command = ["bench", "--presets", "tiny", "--engines", "mine:Mine", "--corpus", "file:text.txt"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tinygpt", *command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2/2" in done.stdout and "crashed" not in done.stdout  # the other is numpy, to compare losses with
