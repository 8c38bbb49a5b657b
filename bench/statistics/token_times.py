"""The products of one token in every way that a run measured, beside our compiled loop over float32 in the same run."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bench.arms.token_ways import TOKEN_BASELINE, TOKEN_VARIANTS, TokenWay
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import chosen_cells, chosen_ratios
from bench.statistics.ratios import Ratio, speedups


@dataclass(frozen=True, slots=True)
class TokenTime:
    """A way at a preset on a machine.

    Attributes:
        cell: of the chosen run; a failed one included.
        ratio: the time of float32 over its own; None of float32 itself, and where a side was not measured.
    """

    way: TokenWay
    cell: CellSummary
    ratio: Ratio | None


def token_times(runs: pd.DataFrame, steps: pd.DataFrame) -> list[TokenTime]:
    """The ways that are on record: published rows first, then by machine and model size, each in its table's order."""
    cells = cell_summary(runs, steps, ("token",))
    pairs = (pair for pair in speedups(cells, TOKEN_BASELINE) if pair.cell is not pair.baseline)
    ratios = {pair.cell.arm: pair.ratio for pair in chosen_ratios(pairs)}
    places = [*TOKEN_VARIANTS]
    chosen = sorted(chosen_cells(cells), key=lambda cell: (cell.published_first, places.index(cell.variant)))
    return [TokenTime(TOKEN_VARIANTS[cell.variant], cell, ratios.get(cell.arm)) for cell in chosen]
