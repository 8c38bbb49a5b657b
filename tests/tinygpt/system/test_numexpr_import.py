"""Environment variables that NumExpr reads at its import, whatever is in them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import ROOT

PROGRAM = """
from tinygpt import PRESETS, create_engine
import os, numpy as np, pandas
preset = PRESETS["tiny"]
engine = create_engine("vectorized", preset.model, preset.train, threads=1)
print(engine.train_step(*np.zeros((2, 1, 8), int)).loss > 0, os.environ[VARIABLE])
"""


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS"])
@pytest.mark.parametrize("value", ["4,2", "x", "0", "-1", "1000000", "9" * 400, "\u0662"])
def test_any_value_is_survived_and_stays(variable: str, value: str) -> None:
    program = PROGRAM.replace("VARIABLE", repr(variable))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | {variable: value}, capture_output=True, text=True
    )
    assert done.stdout == f"True {value}\n", done.stderr
    assert not done.stderr
