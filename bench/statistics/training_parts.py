"""Training runs as a reader thinks of them: stopped and resumed, a run is one run, though it was recorded in parts.

Each part has files and a run_id of its own, and names the part before in the column ``continues``. Joined, the steps
of an earlier part count up to where the next one took over (after a kill -9, some were done twice), and time runs on
from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bench.records.rows import StoredRun, extended
from bench.records.store import stored_runs

# A single step's loss is mostly the luck of its batch: "the training loss" at the end is the mean over so many.
LOSS_WINDOW = 50


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
        steps: the table ``steps``.

    Returns:
        the runs that no other part continues. And ``steps``, under the last part's ``run_id`` and ``cell_id``, ordered
        by step. A part whose predecessor is not on record stands alone.
    """
    by_id = {run.run_id: run for run in stored_runs(runs[runs["kind"] == "train"])}
    of_run = {str(run_id): rows for run_id, rows in steps[steps["run_id"].isin(by_id)].groupby("run_id")}
    continued = {run.continues for run in by_id.values()}
    joined_runs: list[TrainingRun] = []
    joined_steps: list[pd.DataFrame] = [steps.head(0)]
    for run_id, run in by_id.items():
        if run_id in continued:
            continue
        parts = _parts(run, by_id)
        chained = _chain([of_run.get(part.run_id, steps.head(0)) for part in parts])
        chained = chained.assign(run_id=run_id, cell_id=run.cell_id)
        joined_runs.append(_joined_run(parts, chained))
        joined_steps.append(chained)
    return joined_runs, pd.concat(joined_steps, ignore_index=True)


def _parts(last: StoredRun, by_id: dict[str, StoredRun]) -> list[StoredRun]:
    """A run's parts, the first one first."""
    parts = [last]
    while (before := by_id.get(parts[0].continues or "")) and before not in parts:  # a damaged link may lead back
        parts.insert(0, before)
    return parts


def _chain(parts: list[pd.DataFrame]) -> pd.DataFrame:
    chained = parts[0].sort_values("step")
    for part in parts[1:]:
        ordered = part.sort_values("step")
        if ordered.empty:
            continue
        chained = chained[chained["step"] < ordered["step"].iloc[0]]
        before = float(chained["elapsed_seconds"].iloc[-1]) if len(chained) else 0.0
        chained = pd.concat([chained, ordered.assign(elapsed_seconds=ordered["elapsed_seconds"] + before)])
    return chained


def _joined_run(parts: list[StoredRun], steps: pd.DataFrame) -> TrainingRun:
    held_out = [part.held_out_loss for part in parts if part.held_out_loss is not None]
    firsts = [part.first_loss for part in parts if part.first_loss is not None]
    return extended(
        parts[-1],
        TrainingRun,
        first_loss=firsts[0] if firsts else None,
        held_out_loss=held_out[-1] if held_out else None,
        wall_seconds=sum(part.wall_seconds for part in parts),
        steps_done=int(steps["step"].max()) if len(steps) else parts[-1].steps_done,
        n_parts=len(parts),
        train_loss=float(steps["loss"].tail(LOSS_WINDOW).mean()),
    )
