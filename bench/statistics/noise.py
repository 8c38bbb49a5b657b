"""What a measured point is worth: the noise floor, and a verdict in one word.

The floor comes from an A/A arm: the same engine measured twice in one run, as if it were two. Whatever difference
comes out is noise, and no smaller one means anything. A verdict is one of:

    stable        six rounds or more, and the interval is at most 10 % wide
    noisy         the interval is wider than that
    unresolved    fewer than six rounds; or, of a ratio, its interval holds 1 or the floor is larger
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from bench.arms.labels import read_label
from bench.statistics.cells import CellSummary
from bench.statistics.intervals import MIN_ROUNDS
from bench.statistics.ratios import Ratio, ratio

# Without an A/A arm: what two interleaved arms of one engine may differ by on an idle machine.
ASSUMED_FLOOR = 0.03
NOISY_WIDTH = 0.10

Floors = Mapping[tuple[str, str], float]  # (run_id, preset) → relative difference that is noise


def noise_floors(cells: Collection[CellSummary]) -> Floors:
    """The largest difference between an engine and its copy, |t / t_copy − 1|, by run and preset that have an A/A arm.

    Args:
        cells: copies included.
    """
    floors: dict[tuple[str, str], float] = {}
    measured = {(cell.run_id, cell.preset, cell.protocol_hash, cell.variant): cell for cell in cells if cell.n_rounds}
    for copy in measured.values():
        label = read_label(copy.variant)
        original = measured.get((copy.run_id, copy.preset, copy.protocol_hash, label.text.partition("#")[0]))
        found = ratio(copy, original) if label.copy > 1 and original else None
        if found is not None:
            key = (copy.run_id, copy.preset)
            floors[key] = max(floors.get(key, 0.0), abs(found.speedup - 1.0))
    return floors


def floor_of(floors: Floors, run_id: str, preset: str) -> float:
    """The floor at a preset: its own A/A arm's, the largest of the run's others, or the assumed one."""
    own = floors.get((run_id, preset))
    if own is not None:
        return own
    return max((floor for (run, _), floor in floors.items() if run == run_id), default=ASSUMED_FLOOR)


def cell_verdict(cell: CellSummary) -> str:
    """The verdict on a cell; the status of one that has no time."""
    if not cell.n_rounds:
        return cell.status
    if cell.n_rounds < MIN_ROUNDS:
        return "unresolved"
    return "noisy" if _width(cell.seconds.low, cell.seconds.high) > NOISY_WIDTH else "stable"


def ratio_verdict(found: Ratio, floor: float) -> str:
    """The verdict on a ratio.

    Args:
        found: the ratio.
        floor: difference that is noise, such as 0.03.
    """
    holds_one = found.low <= 1.0 <= found.high
    if found.n_rounds < MIN_ROUNDS or holds_one or abs(math.log(found.speedup)) <= math.log1p(floor):
        return "unresolved"
    return "noisy" if _width(found.low, found.high) > NOISY_WIDTH else "stable"


def _width(low: float, high: float) -> float:
    return high / low - 1.0
