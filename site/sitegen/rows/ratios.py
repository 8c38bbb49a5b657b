"""Ratios in words: every variant against every other, each pair from its chosen run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.records.rows import Kind
from bench.statistics.cells import CellSummary
from bench.statistics.chosen_runs import chosen_cells, chosen_ratios, counts
from bench.statistics.noise import floor_of, noise_floors, ratio_verdict
from bench.statistics.ratios import Ratio, Speedup, speedups
from sitegen.rows.cells import CELL_TEXT, interval_columns, measured_cell, of_kinds
from sitegen.rows.results import ENGINE_KINDS, Results, cached_frame
from sitegen.text import quantities
from sitegen.text.palette import order_variants

RATIO_COLUMNS = (
    "origin", "machine_hash", "protocol_hash", "run_id", "baseline", "variant", "preset", "n_parameters", "speedup",
    "speedup_low", "speedup_high", "seconds", "baseline_seconds", "rounds", "measured_at", *CELL_TEXT,
)  # fmt: skip


def shown_pairs(
    results: Results, kinds: Sequence[Kind] = ENGINE_KINDS, baselines: Collection[str] | None = None
) -> list[Speedup]:
    """Pair every variant with every baseline, by default all variants, each pair from its chosen run."""
    cells = of_kinds(results.cells, kinds)
    names = [cell.variant for cell in cells if cell.n_rounds and (baselines is None or cell.variant in baselines)]
    return chosen_ratios(
        pair
        for baseline in order_variants(names)
        for pair in speedups(cells, baseline)
        if pair.cell is not pair.baseline and counts(results.complete_runs, pair.cell, pair.baseline)
    )


@cached_frame
def ratio_frame(
    results: Results, kinds: Sequence[Kind] = ENGINE_KINDS, baselines: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the pairs of :func:`shown_pairs` in words, as columns ``RATIO_COLUMNS``.

    ``evidence`` says if one of the two engines alone was measured again since; ``verdict`` weighs the ratio against the
    A/A arms of its run.
    """
    floors = noise_floors(results.cells)
    cells = [cell for cell in of_kinds(results.cells, kinds) if cell.n_rounds]
    words = {cell.key: measured_cell(cell) for cell in cells}
    newest = {cell.arm: cell for cell in chosen_cells(cells)}
    rows = [
        words[pair.cell.key]
        | {
            "baseline": pair.baseline.variant,
            **interval_columns("speedup", pair.ratio.speedup, pair.ratio.low, pair.ratio.high),
            "baseline_seconds": pair.baseline.seconds.median,
            "rounds": pair.ratio.n_rounds,
            "evidence": f"{words[pair.cell.key]['evidence']}{_measured_since(pair, newest)}",
            "verdict": ratio_verdict(pair.ratio, floor_of(floors, pair.cell.run_id, pair.cell.preset)),
        }
        for pair in shown_pairs(results, kinds, baselines)
    ]
    return pd.DataFrame(rows, columns=[*RATIO_COLUMNS])


def _measured_since(pair: Speedup, newest: Mapping[Any, CellSummary]) -> str:
    """Name the engines of a pair that have newer times at another commit; empty for most pairs."""
    return "".join(
        f"; {side.variant} was measured again at commit {str(now.commit)[:7]}"
        for side in (pair.cell, pair.baseline)
        if (now := newest[side.arm]).commit != pair.cell.commit and now.started_at > pair.cell.started_at
    )


def interval_text(ratio: Ratio) -> str:
    """The ends of a ratio's interval."""
    return f"{quantities.ratio(ratio.low)} to {quantities.ratio(ratio.high)}"
