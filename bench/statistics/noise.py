"""What a measured point is worth: the noise floor, and a verdict in one word.

The floor comes from an A/A arm: the same engine measured twice in one run, as if it were two. Whatever difference
comes out is noise, and no smaller one means anything. A verdict is one of:

    stable        six rounds or more, and the interval is at most 10 % wide
    noisy         the interval is wider than that
    unresolved    fewer than six rounds; or, of a ratio, its interval holds 1 or the floor is larger
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.arms.labels import read_label
from bench.statistics.summary import MIN_ROUNDS, Ratio, ratio

# Without an A/A arm: what two interleaved arms of one engine may differ by on an idle machine.
ASSUMED_FLOOR = 0.03
NOISY_WIDTH = 0.10


def noise_floors(summary: pd.DataFrame) -> dict[tuple[str, str], float]:
    """The largest difference between an engine and its copy, by run and preset.

    Args:
        summary: of :func:`bench.statistics.summary.cell_summary`, copies included.

    Returns:
        (run_id, preset) → |t / t_copy − 1|, of runs and presets that have an A/A arm; of several, the largest.
    """
    floors: dict[tuple[str, str], float] = {}
    measured = summary[summary["n_rounds"] > 0]
    for _, copy in measured[measured["variant"].map(lambda name: read_label(name).copy > 1)].iterrows():
        label = read_label(str(copy["variant"]))
        original = measured[
            (measured["run_id"] == copy["run_id"])
            & (measured["preset"] == copy["preset"])
            & (measured["protocol_hash"] == copy["protocol_hash"])
            & (measured["variant"] == label.text.partition("#")[0])
        ]
        found = ratio(copy, original.iloc[0]) if len(original) else None
        if found is not None:
            key = (str(copy["run_id"]), str(copy["preset"]))
            floors[key] = max(floors.get(key, 0.0), abs(found.speedup - 1.0))
    return floors


def floor_of(floors: Mapping[tuple[str, str], float], run_id: str, preset: str) -> float:
    """The floor at a preset: its own A/A arm's, the largest of the run's others, or the assumed one."""
    own = floors.get((run_id, preset))
    if own is not None:
        return own
    return max((floor for (run, _), floor in floors.items() if run == run_id), default=ASSUMED_FLOOR)


def cell_verdict(cell: Mapping[str, Any] | pd.Series) -> str:
    """The verdict on a row of :func:`bench.statistics.summary.cell_summary`; the status of one that has no time."""
    if not cell["n_rounds"]:
        return str(cell["status"])
    if cell["n_rounds"] < MIN_ROUNDS:
        return "unresolved"
    return "noisy" if _width(cell["low_step_seconds"], cell["high_step_seconds"]) > NOISY_WIDTH else "stable"


def ratio_verdict(found: Ratio, floor: float) -> str:
    """The verdict on a ratio.

    Args:
        found: the ratio.
        floor: difference that is noise, such as 0.03.
    """
    holds_one = found.speedup_low <= 1.0 <= found.speedup_high
    if found.n_rounds < MIN_ROUNDS or holds_one or abs(math.log(found.speedup)) <= math.log1p(floor):
        return "unresolved"
    return "noisy" if _width(found.speedup_low, found.speedup_high) > NOISY_WIDTH else "stable"


def _width(low: float, high: float) -> float:
    return high / low - 1.0
