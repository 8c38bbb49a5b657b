"""The parts of a step on a GPU: its kernels by kind, and the gaps between them.

    gaps = median time of a step − Σ seconds of its kernels

The kernels are those of a few steps after the last measured round, the median is that of all rounds
(``bench.measuring.device_kernels``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from bench.arms.kernel_parts import DEVICE_PARTS, GAPS
from bench.statistics.cells import CellSummary


@dataclass(frozen=True)
class DeviceStep:
    """A step of a variant at a preset on a GPU.

    Attributes:
        cell: its measured rounds.
        seconds: of each of ``DEVICE_PARTS``, in their order.
        n_kernels: in a step.
    """

    cell: CellSummary
    seconds: tuple[float, ...]
    n_kernels: int


def device_steps(cells: Iterable[CellSummary], runs: pd.DataFrame, kernels: pd.DataFrame) -> list[DeviceStep]:
    """Return the steps whose kernels are on record, of the newest run of each variant, preset and protocol."""
    kinds = kernels[(kernels["measure"] == "part") & kernels["name"].isin(DEVICE_PARTS)]
    rows = kinds.merge(runs[["cell_id", "variant", "protocol"]], on="cell_id")
    found = {}
    by_arm = dict(iter(rows.groupby(["run_id", "variant", "preset", "protocol"], sort=False)))
    for cell in sorted(cells, key=lambda cell: cell.started_at):
        group = by_arm.get((cell.run_id, cell.variant, cell.preset, cell.protocol))
        if group is None or not cell.n_rounds:
            continue
        own = group.set_index("name")
        parts = [float(own["seconds"].get(name, 0.0)) for name in DEVICE_PARTS if name != GAPS]
        seconds = (*parts, cell.seconds.median - sum(parts))
        found[cell.place, cell.variant, cell.protocol] = DeviceStep(cell, seconds, int(own["elements"].sum()))
    return sorted(found.values(), key=lambda step: step.cell.published_first)
