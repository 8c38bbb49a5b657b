"""Kill -9 at random moments, even during saves: the resumed run equals one that was never killed."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT, environment
from tests.tinygpt.killed_sessions import CHECKPOINTED, STEPS
from tinygpt.checkpoints.layout import ADAPTER, OPTIMIZER, WEIGHTS

KILLS = 10


@pytest.mark.parametrize(
    ("engine", "lora"),
    [
        ("numpy", "rank=4,alpha=8,on=attn+mlp"),
        ("vectorized[threads=2,kernels=numpy,team=processes]", ""),
        ("vectorized[threads=2,kernels=numexpr,team=threads]", ""),
        ("compiled[threads=2,team=threads]", ""),
        ("compiled[threads=2,team=processes]", ""),
    ],
)
def test_a_repeatedly_killed_run_equals_an_uninterrupted_one(engine: str, lora: str, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.tinygpt.killed_sessions", str(tmp_path), engine, str(KILLS), "5", lora],
        cwd=ROOT,
        env=environment(),
        check=True,
        timeout=300,
    )
    lines = (tmp_path / "losses.txt").read_text().splitlines()
    whole = (tmp_path / "whole.txt").read_text().splitlines()
    losses = [line for line in lines if not line.startswith(CHECKPOINTED)]
    assert set(losses) == set(whole), "every loss of every part is the uninterrupted run's, and none is missing"
    assert len([line for line in whole if line.startswith("loss")]) == STEPS
    saved = [line.split() for line in lines if line.startswith(CHECKPOINTED)]
    steps = [int(step) for _, step, _ in saved]
    assert steps == sorted(steps), "no kill ever took a checkpoint away"
    assert len(set(steps)) > 3, "the kills fell on different steps"
    assert "True" in {half_way for _, _, half_way in saved}, "none of the kills fell into a save"
    # At most the step under way was lost, for everyone was saved.
    for before, line in itertools.pairwise(lines):
        if line.startswith(CHECKPOINTED) and before.startswith("loss"):
            assert int(line.split()[1]) >= int(before.split()[1]) - 1
    stored = ADAPTER if lora else WEIGHTS
    for name in (stored, OPTIMIZER, f"checkpoints/best/{stored}"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    left = sorted(path.name for path in tmp_path.iterdir())
    expected = [*(["base"] if lora else []), "losses.txt", "run", "whole", "whole.txt"]
    assert left == expected, "no lock and no half-written folder is left"
