"""The rows that prose quotes, read once per build: published ones if there are any, else local ones.

Of these, the rows of the machine that pages open with (``sitegen.rows.cells``). Rows of accelerators are a scope of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeVar

import pandas as pd

from bench.arms.devices import on_accelerator
from bench.arms.registry import FAST, OURS
from bench.records.grouping import grouped
from bench.records.rows import Scope
from bench.statistics.cells import CellSummary
from bench.statistics.chosen_runs import quoted_origin
from bench.statistics.cost_model import CostModel
from bench.statistics.kernel_shares import PartShare, part_shares
from bench.statistics.peer_ratios import PeerRatio
from bench.statistics.ratios import Speedup
from bench.statistics.token_times import TokenTime, token_times
from bench.statistics.training_parts import TrainingRun
from sitegen.numbers.number import Number
from sitegen.rows.accelerators import QuotedAccelerator, quoted_accelerator
from sitegen.rows.cells import cell_frame, machine_order, primary_cells, published_else_local, shown_cells
from sitegen.rows.machines import machine_label
from sitegen.rows.peers import peer_frame
from sitegen.rows.projections import cost_models
from sitegen.rows.ratios import shown_pairs
from sitegen.rows.results import Results
from sitegen.rows.training import training_runs

T = TypeVar("T")


class QuotedRows:
    """The rows that numbers are computed from, each kind read once, and the numbers resolved so far."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.resolved: dict[str, Number] = {}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Cells of the quoted scope, measured and failed."""
        return primary_cells(cell_frame(self.results))

    @cached_property
    def cost_models(self) -> dict[str, CostModel]:
        """Engine → the cost model of its measured cells in the quoted scope."""
        return cost_models(self.cells)

    @cached_property
    def measured(self) -> dict[tuple[str, str], CellSummary]:
        """The measured cells of the quoted scope by variant and preset."""
        cells = (cell for cell in shown_cells(self.results) if cell.n_rounds and cell.scope in self._scopes)
        return {(cell.variant, cell.preset): cell for cell in cells}

    def fastest(self, preset: str) -> str:
        """Our fastest engine that the quoted scope measured at a preset; that of the comparisons if none."""
        found = [cell for name in FAST if (cell := self.measured.get((name, preset)))]
        return min(found, key=lambda cell: cell.seconds.median).variant if found else OURS

    def pairs(self, engine: str, baseline: str) -> list[Speedup]:
        """The quoted scope's cells of an engine (or variant) with those of a baseline."""
        return [pair for pair in self._pairs if (pair.cell.variant, pair.baseline.variant) == (engine, baseline)]

    @cached_property
    def _pairs(self) -> list[Speedup]:
        return [pair for pair in shown_pairs(self.results) if pair.cell.scope in self._scopes]

    @cached_property
    def _scopes(self) -> set[Scope]:
        """The quoted scope; empty where nothing is measured."""
        return set(zip(self.cells["origin"], self.cells["machine_hash"], strict=True))

    @cached_property
    def training(self) -> list[TrainingRun]:
        """Finished training runs on processors, published ones if there are any, newest first."""
        return _finished(run for run in training_runs(self.results) if not on_accelerator(run.variant))

    @cached_property
    def accelerator_training(self) -> list[TrainingRun]:
        """The same on accelerators."""
        return _finished(run for run in training_runs(self.results) if on_accelerator(run.variant))

    @cached_property
    def accelerator(self) -> QuotedAccelerator:
        """Cells of the quoted accelerator, and of the processor to compare with."""
        return quoted_accelerator(self.results)

    @cached_property
    def measured_runs(self) -> pd.DataFrame:
        """Rows of cells, published ones if there are any: every attempt of any status, on whatever computed it."""
        runs = self.results.runs
        return published_else_local(runs[runs["kind"] != "train"])

    @cached_property
    def training_ratios(self) -> list[PeerRatio]:
        """Our training steps against the peers', on the quoted machine if it measured any."""
        return self._quoted(self.results.training_ratios)

    @cached_property
    def generation_ratios(self) -> list[PeerRatio]:
        """Our generation of text against the peers', likewise."""
        return self._quoted(self.results.generation_ratios)

    def _quoted(self, rows: Sequence[PeerRatio]) -> list[PeerRatio]:
        """Of each preset, the rows of the first machine that measured it, in the order in which tables offer them."""
        order = machine_order(published_else_local(peer_frame(rows)))
        of_machine = grouped(rows, lambda row: machine_label(row.cell))
        chosen: dict[str, str] = {}
        for machine in order:
            for row in of_machine[machine]:
                chosen.setdefault(row.cell.preset, machine)
        return [row for row in rows if chosen.get(row.cell.preset) == machine_label(row.cell)]

    @cached_property
    def parts(self) -> list[PartShare]:
        """Shares of a step's parts, on the quoted machine if it measured any, else on the first one."""
        parts = part_shares(self.results.runs, self.results.steps, self.results.kernels)
        return self._own_or_first(parts, lambda part: part.run.scope)

    @cached_property
    def token_times(self) -> list[TokenTime]:
        """Times of a token's products, on the quoted machine if it measured any, else on the first one."""
        return self._own_or_first(token_times(self.results.runs, self.results.steps), lambda time: time.cell.scope)

    def _own_or_first(self, rows: list[T], scope: Callable[[T], Scope]) -> list[T]:
        """The rows of the quoted scope if there are any, else those of the first row's."""
        scopes = {scope(row) for row in rows} & self._scopes or {scope(row) for row in rows[:1]}
        return [row for row in rows if scope(row) in scopes]

    def runs_of(self, engine: str) -> tuple[str, ...]:
        """Ids of the runs that an engine's measured cells come from."""
        return tuple(dict.fromkeys(cell.run_id for cell in self.measured.values() if cell.variant == engine))


def _finished(runs: Iterable[TrainingRun]) -> list[TrainingRun]:
    finished = [run for run in runs if run.status == "ok"]
    origin = quoted_origin(run.origin for run in finished)
    return [run for run in finished if run.origin == origin]
