"""Environment variables that NumExpr reads at its import, whatever is in them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import ROOT

VARIABLES = ("OMP_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS")
PROGRAM = """
from tinygpt import PRESETS, create_engine
import importlib, os, sys, numpy as np
importlib.import_module(sys.argv[1])
preset = PRESETS["tiny"]
engine = create_engine("vectorized", preset.model, preset.train, threads=1)
print(engine.train_step(*np.zeros((2, 1, 8), int)).loss > 0, [os.environ[name] for name in sys.argv[2:]])
"""


@pytest.mark.parametrize(
    ("value", "importer"),
    # pandas imports NumExpr too, and takes longer than the rest.
    [("4,2", "pandas"), *((value, "numexpr") for value in ("x", "0", "-1", "1000000", "9" * 400, "\u0662"))],
)
def test_any_value_is_survived_and_stays(value: str, importer: str) -> None:
    """In all variables at once: one that was forgotten would be read once the others are hidden."""
    environment = os.environ | dict.fromkeys(VARIABLES, value)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, importer, *VARIABLES], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout == f"True {[value] * 3}\n", done.stderr
    assert not done.stderr
