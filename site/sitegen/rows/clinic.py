"""The failure clinic's runs: the newest of each case, and the points of their curves."""

from __future__ import annotations

import re

import pandas as pd

from bench.records.rows import StoredRun
from bench.records.store import stored_runs
from bench.statistics.training_parts import CLINIC
from bench.training.clinic_cases import CASES
from sitegen.rows.cells import status_text
from sitegen.rows.machines import origin_words
from sitegen.rows.results import Results
from sitegen.rows.training import held_out_points, training_points

CLINIC_COMMAND = "invoke clinic"
RECENT_STEPS = 20  # in the mean training loss

_CASE = re.compile(r"\[case=(\w+)\]")


def clinic_runs(results: Results) -> dict[str, StoredRun]:
    """The newest run of each case that ended or diverged, by the case's name, in the order of the cases."""
    runs = results.runs[(results.runs["kind"] == "train") & (results.runs["suite"] == CLINIC)]
    runs = runs[runs["status"].isin(["ok", "diverged"])].sort_values("started_at", kind="stable")
    found = {}
    for run in stored_runs(runs):
        if case := _CASE.search(run.resolved_variant or ""):
            found[case.group(1)] = run
    return {name: found[name] for name in CASES if name in found}


def clinic_steps(results: Results, run: StoredRun) -> pd.DataFrame:
    """A run's steps, in order."""
    return results.steps[results.steps["cell_id"] == run.cell_id].sort_values("step")


def clinic_frame(results: Results) -> pd.DataFrame:
    """Points of every case's curves, in the series ``training`` and ``held out``; no columns without a run."""
    parts = []
    for name, run in clinic_runs(results).items():
        steps = clinic_steps(results, run)
        points = pd.concat([training_points(steps), held_out_points(steps)], ignore_index=True)
        parts.append(points.assign(case=name, title=CASES[name].title, status=status_text(run), **origin_words(run)))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
