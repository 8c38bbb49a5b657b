"""Training runs as a reader thinks of them: stopped and resumed, a run is one run, though it was recorded in parts.

Each part has files and a run_id of its own, and names the part before in the column ``continues``. Joined, the steps
of an earlier part count up to where the next one took over (after a kill -9, some were done twice), and time runs on
from there.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.records.rows import StoredRun, extended
from bench.records.store import stored_runs

# A single step's loss is mostly the luck of its batch: "the training loss" at the end is the mean over so many.
LOSS_WINDOW = 50

# The suite of runs that compare tokenizers in equal times on two cores.
TOKENIZERS = "tokenizers"

# The suite of the failure clinic, whose runs are broken on purpose.
CLINIC = "clinic"
# Suites that vary a setting or a fault: their losses are not those that a preset usually reaches.
EXPERIMENTS = ("sweep", "ablation", "race", TOKENIZERS, CLINIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun(StoredRun):
    """A training run with its parts put together: the last part's row, but for the following.

    ``first_loss`` is the first part's, ``wall_seconds`` that of all of them, ``held_out_loss`` the newest, and
    ``steps_done`` the number of updates that the model has seen.

    Attributes:
        n_parts: that it was recorded in.
        train_loss: mean over the last ``LOSS_WINDOW`` steps; NaN without any.
    """

    n_parts: int
    train_loss: float


def joined_training(runs: pd.DataFrame, steps: pd.DataFrame) -> tuple[list[TrainingRun], pd.DataFrame]:
    """Training runs with their parts put together.

    Args:
        runs: the table ``runs``; rows of another kind are left out.

    Returns:
        the runs that no other part continues. And ``steps``, under the last part's ``run_id`` and ``cell_id``, ordered
        by step. A part whose predecessor is not on record stands alone.
    """
    by_id = {run.run_id: run for run in stored_runs(runs[runs["kind"] == "train"])}
    continued = {run.continues for run in by_id.values()}
    rows_of = steps.groupby("run_id", observed=True).indices
    chains = [_chain(_parts(run, by_id), rows_of, steps) for name, run in by_id.items() if name not in continued]
    last = [chain.parts[-1] for chain in chains]
    of_chain = np.repeat(np.arange(len(chains)), [len(chain.rows) for chain in chains])
    rows = steps.iloc[np.concatenate([np.zeros(0, int), *(chain.rows for chain in chains)])]
    joined = rows.assign(
        run_id=pd.Categorical.from_codes(of_chain, pd.Index([run.run_id for run in last], dtype="str")),
        cell_id=pd.Categorical.from_codes(of_chain, pd.Index([run.cell_id for run in last], dtype="str")),
        elapsed_seconds=np.concatenate([np.zeros(0), *(chain.elapsed_seconds for chain in chains)]),
    )
    return [_joined_run(chain, steps) for chain in chains], joined.reset_index(drop=True)


def _parts(last: StoredRun, by_id: dict[str, StoredRun]) -> list[StoredRun]:
    """A run's parts, the first one first."""
    parts = [last]
    while (before := by_id.get(parts[0].continues or "")) and before not in parts:  # a damaged link may lead back
        parts.insert(0, before)
    return parts


@dataclass(frozen=True)
class _Chain:
    """A run's parts, the positions of its steps in the table, and their time since the first part's start."""

    parts: list[StoredRun]
    rows: np.ndarray
    elapsed_seconds: np.ndarray


def _chain(parts: list[StoredRun], rows_of: Mapping[Hashable, Any], steps: pd.DataFrame) -> _Chain:
    step, elapsed = steps["step"].to_numpy(), steps["elapsed_seconds"].to_numpy()
    rows, seconds = np.zeros(0, int), np.zeros(0)
    for part in parts:
        more = rows_of.get(part.run_id, rows[:0])
        if not len(more):
            continue
        more = more[np.argsort(step[more], kind="stable")]
        before = step[rows] < step[more[0]]
        rows, seconds = rows[before], seconds[before]
        seconds = np.concatenate([seconds, elapsed[more] + (seconds[-1] if len(seconds) else 0.0)])
        rows = np.concatenate([rows, more])
    return _Chain(parts, rows, seconds)


def _joined_run(chain: _Chain, steps: pd.DataFrame) -> TrainingRun:
    parts, rows = chain.parts, chain.rows
    held_out = [part.held_out_loss for part in parts if part.held_out_loss is not None]
    firsts = [part.first_loss for part in parts if part.first_loss is not None]
    return extended(
        parts[-1],
        TrainingRun,
        first_loss=firsts[0] if firsts else None,
        held_out_loss=held_out[-1] if held_out else None,
        wall_seconds=sum(part.wall_seconds for part in parts),
        steps_done=int(steps["step"].iloc[rows[-1]]) if len(rows) else parts[-1].steps_done,
        n_parts=len(parts),
        train_loss=float(steps["loss"].iloc[rows[-LOSS_WINDOW:]].mean()),
    )
