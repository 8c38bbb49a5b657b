"""The rows that prose quotes, read once per build: the published ones if there are any, else the local ones.

Of these, the machine that measured most cells. What an accelerator computed is a scope of its own.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.arms.devices import of_accelerators, of_processors
from bench.statistics.kernel_shares import part_shares
from sitegen.rows.accelerators import Quoted, quoted
from sitegen.rows.peers import generation_frame, primary, training_frame
from sitegen.rows.results import Results, cell_frame, primary_cells, ratio_frame, training_runs

if TYPE_CHECKING:
    from sitegen.numbers.number import Number


class Facts:
    """The frames that numbers are read from, computed once per build, and the numbers that were."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.resolved: dict[str, Number] = {}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Cells of the quoted scope, measured and failed."""
        return primary_cells(cell_frame(self.results))

    @cached_property
    def ratios(self) -> pd.DataFrame:
        """Ratios of the quoted scope."""
        return self._in_scope(ratio_frame(self.results))

    @cached_property
    def training(self) -> pd.DataFrame:
        """Processors' training runs that came to their end, published ones if there are any, newest first."""
        return _ended(of_processors(training_runs(self.results)))

    @cached_property
    def accelerated_training(self) -> pd.DataFrame:
        """The same of accelerators."""
        return _ended(of_accelerators(training_runs(self.results)))

    @cached_property
    def accelerated(self) -> Quoted:
        """Cells of the accelerator that is quoted, and the processor's beside them."""
        return quoted(self.results)

    @cached_property
    def bench_runs(self) -> pd.DataFrame:
        """Processors' benchmark rows, published ones if there are any: every attempt, whatever its status."""
        runs = self.results.processor_runs
        runs = runs[runs["kind"] == "bench"]
        published = runs[runs["origin"] == "published"]
        return published if not published.empty else runs

    @cached_property
    def against(self) -> pd.DataFrame:
        """Training steps beside the peers', of the machine that is quoted."""
        return primary(training_frame(self.results))

    @cached_property
    def against_generating(self) -> pd.DataFrame:
        """Texts beside the peers', of the machine that is quoted."""
        return primary(generation_frame(self.results))

    @cached_property
    def parts(self) -> pd.DataFrame:
        """Shares of a step's parts, of the machine that comes first."""
        return primary(part_shares(self.results.runs, self.results.steps, self.results.kernels))

    def runs_of(self, engine: str) -> tuple[str, ...]:
        """Ids of the runs that an engine's measured cells come from."""
        cells = self.cells[(self.cells["variant"] == engine) & (self.cells["state"] == "measured")]
        return tuple(dict.fromkeys(cells["run_id"]))

    def _in_scope(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.cells.empty or frame.empty:
            return frame.head(0)
        first = self.cells.iloc[0]
        return frame[(frame["origin"] == first["origin"]) & (frame["machine_hash"] == first["machine_hash"])]

    def cell(self, engine: str, preset: str) -> dict[str, Any] | None:
        """The measured cell of an engine (or variant) at a preset."""
        found = self.cells[
            (self.cells["state"] == "measured") & (self.cells["variant"] == engine) & (self.cells["preset"] == preset)
        ]
        return None if found.empty else dict(found.iloc[0])


def _ended(runs: pd.DataFrame) -> pd.DataFrame:
    runs = runs[runs["status"] == "ok"]
    published = runs[runs["origin"] == "published"]
    return published if not published.empty else runs
