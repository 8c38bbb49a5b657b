"""Kill the runner before each thing that it asks of the disk: nothing that it called done is lost, and it ends."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench.records.store import read_table
from tests import ROOT, environment
from tests.bench.killed_runs import ROUNDS, VARIANTS


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run(
        [sys.executable, "-m", "tests.bench.killed_runs", str(folder)],
        cwd=ROOT,
        env=environment(),
        check=True,
        timeout=180,
    )
    return folder


def test_rows_only_grow_and_never_change(killed):
    snapshots = sorted(killed.glob("after-*"))
    assert len(snapshots) > 25  # a run's start and one cell ask for more than that
    for name in ("runs", "steps", "probes"):
        before = read_table(name, snapshots[0])
        for snapshot in snapshots[1:]:
            now = read_table(name, snapshot)  # raises if a file is torn
            pd.testing.assert_frame_equal(now.head(len(before)), before, check_dtype=False, check_categorical=False)
            before = now


def test_no_cell_that_was_called_done_is_lost(killed):
    called_done = re.findall(
        r"^ *(\d+)/\d+  (\S+) tiny round (\d+)  ok", (killed / "log.txt").read_text(), re.MULTILINE
    )
    runs = read_table("runs", killed / "results")
    cells = [(int(position), variant, int(number) - 1) for position, variant, number in called_done]
    # Every line is a row, in that order; a row without its line is a cell that was killed between the two.
    kept = list(zip(range(1, len(runs) + 1), runs["variant"], runs["round"], strict=True))
    assert set(cells) <= set(kept)
    assert len(cells) >= len(kept) - 1  # between the two, the runner asks for one thing


def test_the_run_comes_to_its_end_with_every_cell_once(killed):
    runs = read_table("runs", killed / "results")
    assert runs["run_id"].nunique() == 1
    assert (runs["status"] == "ok").all()
    assert sorted(zip(runs["variant"], runs["round"], strict=True)) == sorted(
        (variant, number) for variant in VARIANTS for number in range(ROUNDS)
    )
    steps = read_table("steps", killed / "results")
    assert (steps.groupby("cell_id")["step"].max() == 18).all()
    assert len(steps) == 18 * len(runs)
    left = sorted(path.name.partition("-")[0] for path in (killed / "results" / "local").iterdir())
    assert left == ["probes", "runs", "samples", "steps"]  # no plan, and nothing half-written
