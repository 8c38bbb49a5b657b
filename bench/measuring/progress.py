"""The progress of a suite: a bar with the remaining time on a terminal, plain lines elsewhere.

Drawing takes processor time from the measurement, so it happens at most once a second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from bench.arms.suites import Cell
from tinygpt.terminal.output import print_line
from tinygpt.terminal.quantities import clock, duration

_REDRAW_SECONDS = 1.0
_PLAIN_SECONDS = 20.0  # between the lines of a long cell, without a bar


class SuiteProgress:
    """Shows the progress of a suite.

    Args:
        cells: in running order.
        total_steps: steps of each cell.
        n_done: cells that an earlier part of the run has measured.
        known: each arm's earlier seconds on this machine.
    """

    def __init__(
        self,
        console: Console,
        cells: Sequence[Cell],
        total_steps: int,
        n_done: int = 0,
        known: Mapping[tuple[str, str], float] | None = None,
    ) -> None:
        self.console = console
        self.cells = cells
        self.total_steps = total_steps
        self.n_done = n_done
        self._index = -1
        self._cell_started = self._drawn = 0.0
        self._known = dict(known or {})  # seconds of each arm's newest round
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", total=len(self.cells) * total_steps, left="")

    def __enter__(self) -> SuiteProgress:
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.console.is_terminal:
            self._bar.stop()

    def seconds_left(self) -> float:
        """Return the seconds left for the current and all later cells, by earlier rounds or by their limits."""
        cells = self.cells[max(self._index, 0) :]
        # An arm may have had a higher limit in another suite.
        expected = [min(self._known.get(cell.arm, cell.limit_seconds), cell.limit_seconds) for cell in cells]
        if self._index >= 0 and expected:
            expected[0] = max(0.0, expected[0] - (time.perf_counter() - self._cell_started))
        return sum(expected)

    def left(self) -> str:
        """Return the remaining time in words: an upper bound while a cell's time is known by its limit alone."""
        known = all(cell.arm in self._known for cell in self.cells[max(self._index, 0) :])
        return f"{'about' if known else 'at most'} {clock(self.seconds_left())} left"

    def add(self, cells: Sequence[Cell], n_done: int) -> None:
        """Go on with more cells, of which an earlier part of the run has measured some."""
        self.cells = [*self.cells, *cells]
        self.n_done += n_done
        self._bar.update(self._task, total=len(self.cells) * self.total_steps)

    def start_cell(self, cell: Cell) -> None:
        """Show that a cell begins."""
        self._index = self.cells.index(cell)
        self._cell_started = time.perf_counter()
        self._draw(0, force=True)

    def show_step(self, steps_done: int) -> None:
        """Show the current cell's number of steps."""
        self._draw(steps_done)

    def end_cell(self, status: str, step_seconds: float, reason: str | None) -> None:
        """Print the line of a cell that has ended.

        Args:
            step_seconds: median of the measured steps, NaN without any.
            reason: the reason of a status that is not ``ok``.
        """
        cell = self.cells[self._index]
        self._known[cell.arm] = time.perf_counter() - self._cell_started
        detail = f"{duration(step_seconds)} a step" if status == "ok" else (reason or "").splitlines()[-1]
        color = "green" if status == "ok" else "yellow"
        self._index += 1
        self._cell_started = time.perf_counter()
        left = "" if self.console.is_terminal else f"  ({self.left()})"
        done = f"{self.n_done + self._index:>3}/{self.n_done + len(self.cells)}"
        self.console.print(
            f"{done}  {escape(_describe(cell))}  [{color}]{status}[/]  {escape(detail)}{left}",
            highlight=False,
            soft_wrap=True,
        )

    def _draw(self, steps_done: int, force: bool = False) -> None:
        now = time.perf_counter()
        interval = _REDRAW_SECONDS if self.console.is_terminal else _PLAIN_SECONDS
        if not force and now - self._drawn < interval:
            return
        self._drawn = now
        cell, left = self.cells[self._index], self.left()
        if self.console.is_terminal:
            self._bar.update(
                self._task,
                completed=self._index * self.total_steps + steps_done,
                description=f"{escape(_describe(cell))}, step {steps_done} of {self.total_steps}",
                left=left,
            )
            self._bar.refresh()
        elif not force:
            print_line(self.console, f"       {_describe(cell)}, step {steps_done} of {self.total_steps}, {left}")


def _describe(cell: Cell) -> str:
    again = "" if cell.replaces is None else f", again {cell.replaces + 1}"
    return f"{cell.variant} {cell.preset} round {cell.round + 1}{again}"
