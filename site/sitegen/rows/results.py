"""Results as they are read: the tables, and the statistics of them that many pages ask for.

What pages show of them is put into words in ``sitegen.rows.cells``, ``ratios``, ``training``, ``peers`` and
``accelerators``. Four rules hold throughout: published and local rows never meet in one ratio, nor do rows of two
machines, nor rows of two protocols, nor rows of two runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bench.arms.devices import of_processors
from bench.arms.registry import ROOFLINE
from bench.records.grouping import best_of_each
from bench.records.rows import Kind
from bench.records.store import read_table
from bench.statistics.accelerator_ratios import accelerator_summary
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import ChosenRuns, complete_runs
from bench.statistics.peer_ratios import PeerRatio, generation_ratios, training_ratios

ENGINE_KINDS: tuple[Kind, ...] = ("bench",)
TRAINING_KINDS: tuple[Kind, ...] = ("bench", "peer", "roofline")  # what a step's time is known of


@dataclass(frozen=True)
class Results:
    """The tables, published and local rows together; the column ``origin`` tells them apart.

    ``made`` keeps what was made of them (``sitegen.rows.cached_frames``).
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    samples: pd.DataFrame
    kernels: pd.DataFrame
    made: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def processor_runs(self) -> pd.DataFrame:
        """The rows of ``runs`` that a processor computed."""
        return of_processors(self.runs)

    @cached_property
    def cells(self) -> list[CellSummary]:
        """Cells of processors' training steps; of the roofline's arrangements, the faster one."""
        cells = best_of_each(
            cell_summary(self.processor_runs, self.steps, TRAINING_KINDS),
            lambda cell: (cell.together, ROOFLINE if cell.engine == ROOFLINE else cell.variant),
            lambda cell: (cell.n_rounds > 0, -cell.seconds.median),
        )
        return [replace(cell, variant=ROOFLINE) if cell.engine == ROOFLINE else cell for cell in cells]

    @cached_property
    def complete_runs(self) -> ChosenRuns:
        """The runs that processors' cells and ratios are taken from first."""
        return complete_runs(self.cells)

    @cached_property
    def accelerator_cells(self) -> list[CellSummary]:
        """Cells that accelerators measured, peers included."""
        return accelerator_summary(self.runs, self.steps)

    @cached_property
    def training_ratios(self) -> list[PeerRatio]:
        """Training steps beside the peers'."""
        return training_ratios(self.runs, self.steps)

    @cached_property
    def generation_ratios(self) -> list[PeerRatio]:
        """Texts beside the peers'."""
        return generation_ratios(self.runs, self.steps)


def load_results(root: Path) -> Results:
    """Read the tables under a results folder; one that does not exist holds no rows.

    Raises:
        ResultsError: a file is not Parquet or has another schema.
    """
    return Results(*(read_table(name, root) for name in ("runs", "steps", "samples", "kernels")))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries with text keys."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
