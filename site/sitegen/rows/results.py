"""The results: the tables as they are read, and the statistics that many pages need.

``sitegen.rows.cells``, ``ratios``, ``training``, ``peers`` and ``accelerators`` put them into words. Four rules hold
throughout: one ratio never mixes published and local rows, nor rows of two machines, of two protocols or of two runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import pandas as pd

from bench.arms.devices import of_processors
from bench.records.rows import CONTRIBUTED, PUBLISHED, Kind
from bench.records.schema import TABLES
from bench.records.store import read_tables
from bench.statistics.accelerator_ratios import accelerator_summary
from bench.statistics.calibration import Calibration, read_calibrations
from bench.statistics.cells import CellSummary, cell_summary
from bench.statistics.chosen_runs import ChosenRuns, complete_runs, peer_runs
from bench.statistics.noise import Floors, noise_floors, with_floor
from bench.statistics.peer_ratios import PeerRatio, generation_ratios, one_roofline, training_ratios

ENGINE_KINDS: tuple[Kind, ...] = ("bench",)
TRAINING_KINDS: tuple[Kind, ...] = ("bench", "peer", "roofline")  # kinds of rows that hold a training step's time


@dataclass(frozen=True)
class Results:
    """The tables, published and local rows together; the column ``origin`` distinguishes them.

    ``calibrations`` says how well the statistics fit the rows; ``frames`` holds those that :func:`cached_frame` keeps.
    ``contributed`` holds other people's rows, apart from all others: what does not name them cannot quote them.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    samples: pd.DataFrame
    kernels: pd.DataFrame
    probes: pd.DataFrame
    calibrations: Sequence[Calibration] = field(default=(), kw_only=True)
    contributed: Results | None = field(default=None, kw_only=True)
    frames: dict[tuple[str, ...], pd.DataFrame] = field(default_factory=dict, init=False, repr=False, compare=False)

    def only(self, column: str, values: Collection[str]) -> Results:
        """The rows with one of some values in a column that all tables have."""
        tables = (getattr(self, name) for name in TABLES)
        return Results(*(table[table[column].isin(values)].reset_index(drop=True) for table in tables))

    @cached_property
    def published(self) -> Results:
        """The same without local rows; itself, with all that it has computed, if it has none."""
        if (self.runs["origin"] == PUBLISHED).all():
            return self
        kept = self.only("origin", [PUBLISHED])
        return replace(kept, calibrations=self.calibrations, contributed=self.contributed)

    @cached_property
    def processor_runs(self) -> pd.DataFrame:
        """Rows of ``runs`` that a processor computed."""
        return of_processors(self.runs)

    @cached_property
    def cells(self) -> list[CellSummary]:
        """Cells of training steps on processors; of the roofline's arrangements, the faster one."""
        return one_roofline(cell_summary(self.processor_runs, self.steps, TRAINING_KINDS))

    @cached_property
    def floors(self) -> Floors:
        """The noise floors of processors, which every ratio on them is judged by."""
        return noise_floors(self.cells)

    @cached_property
    def complete_runs(self) -> ChosenRuns:
        """The runs that processors' cells and ratios come from where possible."""
        return complete_runs(self.cells)

    @cached_property
    def peer_runs(self) -> ChosenRuns:
        """The runs that ratios of our engine and the peers come from where possible."""
        return peer_runs(self.cells)

    @cached_property
    def accelerator_cells(self) -> list[CellSummary]:
        """Cells that accelerators measured, peers included."""
        return accelerator_summary(self.runs, self.steps)

    @cached_property
    def training_ratios(self) -> list[PeerRatio]:
        """Our training steps against the peers'."""
        return self._judged(training_ratios(self.runs, self.steps))

    @cached_property
    def generation_ratios(self) -> list[PeerRatio]:
        """Our generation of text against the peers'."""
        return self._judged(generation_ratios(self.runs, self.steps))

    def _judged(self, rows: Iterable[PeerRatio]) -> list[PeerRatio]:
        """The rows, each ratio with the floor of its machine."""
        return [
            replace(row, ratio=row.ratio and with_floor(row.ratio, row.cell.machine_hash, self.floors)) for row in rows
        ]


def load_results(root: Path) -> Results:
    """Read the tables of a results folder; a missing folder gives no rows.

    Raises:
        ResultsError: a file is not Parquet or has another schema.
    """
    own = Results(*read_tables(root), calibrations=read_calibrations(root))
    return replace(own, contributed=Results(*read_tables(root, areas=(CONTRIBUTED,))))


def row_dicts(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries with text keys."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


P = ParamSpec("P")


def cached_frame(
    make: Callable[Concatenate[Results, P], pd.DataFrame],
) -> Callable[Concatenate[Results, P], pd.DataFrame]:
    """Decorate a function of results so that each frame is made once per :class:`Results`. Callers get copies.

    The function's other arguments must have a ``repr`` that distinguishes them.
    """

    @wraps(make)
    def make_once(results: Results, /, *arguments: P.args, **named: P.kwargs) -> pd.DataFrame:
        key = (make.__module__, make.__qualname__, repr(arguments), repr(sorted(named.items())))
        if key not in results.frames:
            results.frames[key] = make(results, *arguments, **named)
        return results.frames[key].copy()

    return make_once
