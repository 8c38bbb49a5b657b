"""This project's fastest engine among its peers: one run's times side by side, ratios, share of the roofline.

    ratio   t_peer / t_ours; above 1 we are faster
    share   t_roofline / t_cell: of a step's time, what the matrix products alone would take in their best round

Times come from one run at each preset (``bench.statistics.chosen_runs.peer_runs``), and those of a peer that it lacks
from the best other run that has it beside the same engine of ours. Ratios and shares are those of
``bench.statistics.ratios``, over all runs that know them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.arms.registry import FAST, JAX_ON_CPU, OURS, PEERS, REFERENCE, ROOFLINE, ROUNDED
from bench.arms.step_work import step_products, total_flops
from bench.records.grouping import best_of_each, grouped
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import ChosenRuns, chosen_cells, chosen_ratios, peer_runs
from bench.statistics.intervals import NO_INTERVAL
from bench.statistics.ratios import Ratio, speedups
from tinygpt.presets import PRESETS


@dataclass(frozen=True, slots=True)
class PeerRatio:
    """A cell of the chosen run: a peer's, one of this project's engines, or the roofline.

    Attributes:
        ours: this project's fastest engine of that run, which the ratio compares with.
        cell: of the roofline, its fastest variant under the name ``roofline``; its seconds are those of its best round.
        ratio: our time is the engine's, the cell's the baseline's; None where a side was not measured, and of the
            reference, whose ratio rests on more runs than these.
        of_roofline: the roofline's time over the cell's, likewise.
        flops_per_second: of a step's matrix products; NaN without a time.
    """

    ours: str
    cell: CellSummary
    ratio: Ratio | None
    of_roofline: Ratio | None
    flops_per_second: float

    @property
    def speedup(self) -> float:
        """Their time over ours; NaN where a side was not measured."""
        return self.ratio.speedup if self.ratio else math.nan

    @property
    def share(self) -> float:
        """The share of the roofline; NaN where a side was not measured."""
        return self.of_roofline.speedup if self.of_roofline else math.nan

    @property
    def reason(self) -> str:
        """The reason for a failure, in one line; empty without one."""
        lines = (self.cell.error_tail or "").strip().splitlines()
        return lines[-1] if lines and self.cell.status != "ok" else ""


def training_ratios(runs: pd.DataFrame, steps: pd.DataFrame) -> list[PeerRatio]:
    """The cells of a preset on a machine: ours, the peers' and the roofline's.

    Returns:
        published places first, then by machine and model size; there the reference and this project's engine, then the
        peers in their table's order, then the roofline. Failed cells are included.
    """
    cells = cell_summary(_with_peers(runs), steps, ("bench", "peer", "roofline"))
    return _ratios(cells, (REFERENCE, *FAST, *PEERS), PEERS)


def generation_ratios(runs: pd.DataFrame, steps: pd.DataFrame) -> list[PeerRatio]:
    """The same for generation: a step is one text, ``tokens_per_second`` counts its tokens, no roofline is known.

    The loop that JAX compiles for engine ``jax`` is compared with like a peer's.
    """
    others = (JAX_ON_CPU, *PEERS)
    return _ratios(cell_summary(runs, steps, ("generation",)), (*FAST, *ROUNDED, *others), others)


def _with_peers(runs: pd.DataFrame) -> pd.DataFrame:
    """Rows of runs in which a peer or the roofline was measured, which are few among many."""
    others = runs["variant"].isin([*PEERS]) | (runs["engine"] == ROOFLINE)
    return runs[runs["run_id"].isin(runs["run_id"][others])]


def fastest(rows: Iterable[PeerRatio], variants: Sequence[str]) -> PeerRatio | None:
    """The fastest measured cell of some variants, by its ratio to ours; None if none is measured."""
    measured = [row for row in rows if row.cell.variant in variants and row.cell.n_rounds]
    compared = [row for row in measured if row.ratio or row.cell.variant == row.ours]
    if compared:
        return min(compared, key=lambda row: row.speedup if row.ratio else 1.0)
    return min(measured, key=lambda row: row.cell.seconds.median, default=None)


def _ratios(cells: list[CellSummary], order: Sequence[str], others: Collection[str]) -> list[PeerRatio]:
    """The chosen run's cells of every place, and others of variants that it lacks, if ours was measured beside them."""
    cells = one_roofline(cells)
    runs = peer_runs(cells, others)
    groups = grouped((cell for cell in cells if _is_chosen(runs, cell)), lambda cell: cell.place)
    ours = {place: _fastest_of_ours(group) for place, group in groups.items()}
    compared = [cell for cell in cells if cell.variant in (*order, ROOFLINE)]
    pairs = [
        pair
        for name in dict.fromkeys(cell.variant for cell in compared if cell.variant != REFERENCE)
        for pair in speedups([cell for cell in compared if cell.variant in (*FAST, name)], name)
        if pair.cell.variant == ours.get(pair.cell.place)
    ]
    over = {pair.baseline.arm: pair.ratio for pair in chosen_ratios(pairs, beside_peers=runs)}
    share = {pair.cell.arm: pair.ratio for pair in chosen_ratios(speedups(compared, ROOFLINE), beside_peers=runs)}
    positions = {name: position for position, name in enumerate((*order, ROOFLINE))}
    rows = [
        PeerRatio(
            ours[cell.place], cell, over.get(cell.arm), share.get(cell.arm), _flops(cell.preset) / cell.seconds.median
        )
        for cell in chosen_cells([cell for cell in cells if cell.place in runs], runs)
        if cell.variant in positions and (_is_chosen(runs, cell) or cell.arm in over)
    ]
    return sorted(rows, key=lambda row: (row.cell.published_first, positions[row.cell.variant]))


def _is_chosen(runs: ChosenRuns, cell: CellSummary) -> bool:
    """True for cells of their place's chosen run."""
    return cell.place in runs and runs[cell.place][0] == cell.run_id


def _fastest_of_ours(run: Iterable[CellSummary]) -> str:
    measured = [cell for cell in run if cell.variant in FAST and cell.n_rounds]
    return min(measured, key=lambda cell: cell.seconds.median).variant if measured else OURS


def one_roofline(cells: Iterable[CellSummary]) -> list[CellSummary]:
    """The cells, with a run's fastest way to multiply under the name ``roofline``.

    Its seconds are its best round's, without an interval: noise can only make products slower.
    """
    best = best_of_each(
        cells,
        lambda cell: (cell.together, ROOFLINE if cell.engine == ROOFLINE else cell.variant),
        lambda cell: (cell.n_rounds > 0, -cell.rounds[0] if cell.n_rounds else 0.0),
    )
    return [
        replace(cell, variant=ROOFLINE, seconds=replace(NO_INTERVAL, median=min(cell.rounds, default=math.nan)))
        if cell.engine == ROOFLINE
        else cell
        for cell in best
    ]


def _flops(preset: str) -> int:
    shape = PRESETS[preset]
    return total_flops(step_products(shape.model, shape.train.batch_size))
