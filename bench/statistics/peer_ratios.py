"""This project's engine among its peers: one run's times side by side, ratios, share of the roofline.

    ratio   t_peer / t_ours, with the interval of bench.statistics.ratios; above 1 we are faster
    share   t_roofline / t_ours: of a step's time, what the matrix products alone would take

All of it is formed within one run, preset by preset. Where several runs measured a preset, one is chosen: clean
published code before uncommitted changes, then more peers, then more rounds, then the newest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.arms.registry import JAX_ON_CPU, OURS, PEERS, REFERENCE, ROOFLINE
from bench.arms.step_work import step_products, total_flops
from bench.records.grouping import best_of_each, grouped
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.ratios import Ratio, ratio_of_rounds
from tinygpt.presets import get_preset


@dataclass(frozen=True, slots=True)
class PeerRatio:
    """A cell of the chosen run: a peer's, one of this project's engines, or the roofline.

    Attributes:
        cell: of the roofline, the faster of its arrangements under the name ``roofline``.
        ratio: our time is the engine's, the cell's the baseline's; None where a side was not measured.
        flops_per_second: of a step's matrix products; NaN without a time.
        share: the roofline's time over the cell's; NaN where a side was not measured.
    """

    cell: CellSummary
    ratio: Ratio | None
    flops_per_second: float
    share: float

    @property
    def speedup(self) -> float:
        """How many times faster we are; NaN where a side was not measured."""
        return self.ratio.speedup if self.ratio else math.nan

    @property
    def reason(self) -> str:
        """Why the cell failed, in one line; empty if it did not."""
        lines = (self.cell.error_tail or "").strip().splitlines()
        return lines[-1] if lines and self.cell.status != "ok" else ""


def training_ratios(runs: pd.DataFrame, steps: pd.DataFrame) -> list[PeerRatio]:
    """The cells of one run per preset and machine: ours, the peers' and the roofline's.

    Args:
        runs: the table ``runs``.
        steps: the table ``steps``.

    Returns:
        published places first, then by machine and model size; there the reference and this project's engine, then the
        peers in their table's order, then the roofline. Failed cells are included.
    """
    return _ratios(cell_summary(runs, steps, ("bench", "peer", "roofline")), (REFERENCE, OURS, *PEERS))


def generation_ratios(runs: pd.DataFrame, steps: pd.DataFrame) -> list[PeerRatio]:
    """The same for generation: a step is one text, ``tokens_per_second`` counts its tokens, no roofline is known."""
    return _ratios(cell_summary(runs, steps, ("generation",)), (OURS, JAX_ON_CPU, *PEERS))


def fastest(rows: Iterable[PeerRatio], variants: Sequence[str]) -> PeerRatio | None:
    """The fastest measured cell of some variants; None if none is measured."""
    measured = [row for row in rows if row.cell.variant in variants and row.cell.n_rounds]
    return min(measured, key=lambda row: row.cell.seconds.median, default=None)


def _ratios(cells: list[CellSummary], order: Sequence[str]) -> list[PeerRatio]:
    """The chosen run's cells of every place, compared."""
    groups = grouped(cells, lambda cell: cell.together).values()
    with_peers = [group for group in groups if {cell.variant for cell in group} & PEERS.keys()]
    chosen = {
        (group[0].place, group[0].run_id)
        for group in best_of_each(with_peers, lambda group: group[0].place, lambda group: _rank(group, order))
    }
    rows = [
        row for group in with_peers if (group[0].place, group[0].run_id) in chosen for row in _compare(group, order)
    ]
    positions = {name: position for position, name in enumerate((*order, ROOFLINE))}
    return sorted(rows, key=lambda row: (row.cell.published_first, positions[row.cell.variant]))


def _rank(group: list[CellSummary], order: Sequence[str]) -> tuple[object, ...]:
    """The id decides in the end, which begins with its run's time."""
    mine = [cell.n_rounds for cell in group if cell.variant == OURS]
    measured = {cell.variant for cell in group if cell.n_rounds and cell.variant in order}
    products = any(cell.n_rounds for cell in group if cell.engine == ROOFLINE)
    clean = all(cell.is_clean for cell in group)
    return any(mine), clean, len(measured) + products, max(mine, default=0), group[0].run_id


def _compare(group: list[CellSummary], order: Sequence[str]) -> list[PeerRatio]:
    """One run's cells at one preset, with ratios and shares."""
    products = [cell for cell in group if cell.engine == ROOFLINE and cell.n_rounds]
    best = [replace(cell, variant=ROOFLINE) for cell in sorted(products, key=lambda cell: cell.seconds.median)[:1]]
    floor = best[0].seconds.median if best else math.nan
    mine = next((cell for cell in group if cell.variant == OURS and cell.n_rounds), None)
    preset = get_preset(group[0].preset)
    flops = total_flops(step_products(preset.model, preset.train.batch_size))
    return [
        PeerRatio(
            cell,
            ratio_of_rounds(mine.round_times, cell.round_times) if mine and cell.n_rounds else None,
            flops / cell.seconds.median,
            floor / cell.seconds.median,
        )
        for cell in (*(cell for cell in group if cell.variant in order), *best)
    ]
