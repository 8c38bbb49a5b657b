"""Training runs in words, and the points of their loss curves."""

from __future__ import annotations

import json

import pandas as pd

from bench.records.protocol import reads_bytes
from bench.records.rows import PUBLISHED
from bench.statistics.training_parts import EXPERIMENTS, TrainingRun, joined_training
from sitegen.rows.cells import status_text
from sitegen.rows.machines import origin_words
from sitegen.rows.results import Results
from tinygpt.terminal import quantities
from tinygpt.terminal.visible import one_line

POINTS_PER_RUN = 40
_TIMED = range(20, 100)  # steps of a run that only times them: fewer than a usual warm-up, more than a test takes


def training_runs(results: Results) -> list[TrainingRun]:
    """Training runs of models, newest first; the parts of a resumed run are one.

    Runs of other tokens than bytes are left out, because another table has them, and runs that only time steps.
    """
    runs, _ = joined_training(results.runs, results.steps)
    taken = [run for run in runs if run.first_loss is not None and run.suite not in EXPERIMENTS]
    taken = [run for run in taken if not _is_left_out(run)]
    return sorted(taken, key=lambda run: run.started_at, reverse=True)


def _is_left_out(run: TrainingRun) -> bool:
    return not reads_bytes(json.loads(run.protocol)) or run.measured_steps in _TIMED


def loss_frame(results: Results, max_runs: int) -> pd.DataFrame:
    """Return points of the newest training runs' loss curves, in the series ``training`` and ``held out``.

    Training loss is averaged over consecutive steps, so that a run has at most ``POINTS_PER_RUN`` points. Time is in
    minutes since the run's first step. Without a run, the frame has no columns.
    """
    parts = []
    _, all_steps = joined_training(results.runs, results.steps)
    for run in training_runs(results)[:max_runs]:
        steps = all_steps[all_steps["cell_id"] == run.cell_id]
        if steps.empty:
            continue
        label = f"{run.preset} on {run.corpus}, {run.variant}, {quantities.day(run.started_at)}"
        part = pd.concat([training_points(steps), held_out_points(steps)], ignore_index=True)
        parts.append(
            part.assign(
                run=one_line(label + ("" if run.origin == PUBLISHED else " (local)"), 90),
                variant=run.variant,
                preset=run.preset,
                corpus=one_line(run.corpus),
                status=status_text(run),
                **origin_words(run),
            )
        )
    return _distinct_labels(parts) if parts else pd.DataFrame()


def training_points(steps: pd.DataFrame) -> pd.DataFrame:
    """Points of a run's training loss, averaged over consecutive steps so that there are at most ``POINTS_PER_RUN``."""
    window = max(1, -(-len(steps) // POINTS_PER_RUN))
    groups = steps.reset_index(drop=True).groupby(lambda index: index // window)
    points = groups.agg(step=("step", "last"), seconds=("elapsed_seconds", "last"), loss=("loss", "mean"))
    return pd.DataFrame(
        {
            "series": "training",
            "step": points["step"],
            "minutes": points["seconds"] / 60,
            "loss": points["loss"],
            "averaged": [f"{size} steps" if size > 1 else "one step" for size in groups.size()],
        }
    )


def held_out_points(steps: pd.DataFrame) -> pd.DataFrame:
    """Points of a run's held-out loss, as measured."""
    points = steps[steps["held_out_loss"].notna()]
    return pd.DataFrame(
        {
            "series": "held out",
            "step": points["step"],
            "minutes": points["elapsed_seconds"] / 60,
            "loss": points["held_out_loss"],
            "averaged": "held-out text",
        }
    )


def _distinct_labels(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the runs, and number those with equal labels, which would be drawn as one line."""
    seen: dict[str, int] = {}
    numbered = []
    for part in parts:
        label = str(part["run"].iloc[0])
        seen[label] = seen.get(label, 0) + 1
        numbered.append(part.assign(run=label if seen[label] == 1 else f"{label} ({seen[label]})"))
    return pd.concat(numbered, ignore_index=True)
