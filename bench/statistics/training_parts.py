"""Training runs as a reader thinks of them: stopped and resumed, a run is one run, though it was recorded in parts.

Each part has files and a run_id of its own, and names the part before in the column ``continues``. Joined, the steps
of an earlier part count up to where the next one took over (after a kill -9, some were done twice), and time runs on
from there.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

# A single step's loss is mostly the luck of its batch: "the training loss" at the end is the mean over so many.
LOSS_WINDOW = 50


def joined_training(runs: pd.DataFrame, steps: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training runs with their parts put together.

    Args:
        runs: the table ``runs``; rows of another kind are left out.
        steps: the table ``steps``.

    Returns:
        ``runs``, one row per training run that no other part continues: the last part's row, with ``first_loss`` of
        the first part, ``wall_seconds`` of all of them, the newest ``held_out_loss``, ``steps_done`` as the number of
        updates that the model has seen, ``n_parts``, and ``train_loss``, the mean over the last ``LOSS_WINDOW`` steps
        (NaN without any). And ``steps``, under the last part's ``run_id`` and ``cell_id``, ordered by step.
        A part whose predecessor is not on record stands alone.
    """
    train = runs[runs["kind"] == "train"]
    by_id = {str(row["run_id"]): row for row in train.to_dict("records")}
    of_run = {str(run_id): rows for run_id, rows in steps[steps["run_id"].isin(by_id)].groupby("run_id")}
    continued = {row["continues"] for row in by_id.values()}
    joined_runs: list[dict[Any, Any]] = []
    joined_steps: list[pd.DataFrame] = [steps.head(0)]
    for run_id, row in by_id.items():
        if run_id in continued:
            continue
        parts = _parts(row, by_id)
        chained = _chain([of_run.get(str(part["run_id"]), steps.head(0)) for part in parts])
        chained = chained.assign(run_id=run_id, cell_id=row["cell_id"])
        joined_runs.append(_joined_row(parts, chained))
        joined_steps.append(chained)
    names = [*train.columns, "n_parts", "train_loss"]
    return pd.DataFrame(joined_runs, columns=names), pd.concat(joined_steps, ignore_index=True)


def _parts(last: dict[Any, Any], by_id: dict[str, dict[Any, Any]]) -> list[dict[Any, Any]]:
    """A run's parts, the first one first."""
    parts = [last]
    while isinstance(before := parts[0]["continues"], str) and before in by_id:
        if by_id[before] in parts:
            break  # a damaged link that leads back to itself
        parts.insert(0, by_id[before])
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


def _joined_row(parts: list[dict[Any, Any]], steps: pd.DataFrame) -> dict[Any, Any]:
    held_out = [part["held_out_loss"] for part in parts if pd.notna(part["held_out_loss"])]
    firsts = [part["first_loss"] for part in parts if pd.notna(part["first_loss"])]
    return parts[-1] | {
        "first_loss": firsts[0] if firsts else None,
        "held_out_loss": held_out[-1] if held_out else None,
        "wall_seconds": sum(float(part["wall_seconds"]) for part in parts),
        "steps_done": int(steps["step"].max()) if len(steps) else int(parts[-1]["steps_done"]),
        "n_parts": len(parts),
        "train_loss": float(steps["loss"].tail(LOSS_WINDOW).mean()),
    }
