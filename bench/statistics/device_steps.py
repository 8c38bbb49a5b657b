"""The parts of a step on a GPU: its kernels by kind, and the gaps between them.

    gaps = median time of a step − time in which kernels run

The kernels are those of a few steps after the last measured round, the median is that of all rounds
(``bench.measuring.device_kernels``). Beside them is a large product: the card's peak in the step's arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from bench.arms.kernel_parts import DEVICE_PARTS, GAPS, PEAK, PEAK_SIZE
from bench.statistics.cells import CellSummary


@dataclass(frozen=True)
class DeviceStep:
    """A step of a variant at a preset on a GPU.

    Attributes:
        cell: its measured rounds.
        seconds: of each of ``DEVICE_PARTS``, in their order.
        n_kernels: in a step.
        peak: FLOP/s of a large product in the step's arithmetic; None where none was timed.
    """

    cell: CellSummary
    seconds: tuple[float, ...]
    n_kernels: int
    peak: float | None


def device_steps(cells: Iterable[CellSummary], runs: pd.DataFrame, kernels: pd.DataFrame) -> list[DeviceStep]:
    """Return the steps whose kernels are on record, of the newest run of each variant, preset and protocol."""
    kinds = kernels[(kernels["measure"] == "part") & kernels["name"].isin((*DEVICE_PARTS, PEAK))]
    rows = kinds.merge(runs[["cell_id", "variant", "protocol"]], on="cell_id")
    found = {}
    by_arm = dict(iter(rows.groupby(["run_id", "variant", "preset", "protocol"], sort=False)))
    for cell in sorted(cells, key=lambda cell: cell.started_at):
        group = by_arm.get((cell.run_id, cell.variant, cell.preset, cell.protocol))
        if group is None or not cell.n_rounds:
            continue
        own = group.set_index("name")
        peak = 2 * PEAK_SIZE**3 / float(own["seconds"][PEAK]) if PEAK in own.index else None
        own = own.drop(index=PEAK, errors="ignore")
        parts = [float(own["seconds"].get(name, 0.0)) for name in DEVICE_PARTS if name != GAPS]
        seconds = (*parts, cell.seconds.median - sum(parts))
        found[cell.place, cell.variant, cell.protocol] = DeviceStep(cell, seconds, int(own["elements"].sum()), peak)
    return sorted(found.values(), key=lambda step: step.cell.published_first)
