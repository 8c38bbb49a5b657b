"""The statistics tested on the rows, in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from bench.statistics.calibration import calibrate, facts
from bench.terminal.tables import print_table
from tinygpt.terminal.output import make_console, print_line

_WIDTH = 130  # columns of a pipe or a file


def print_calibrations(root: Path, console: Console | None = None) -> None:
    """Simulate on each area's rows, store the outcome, and print it.

    Raises:
        ResultsError, StorageError: as in :func:`bench.statistics.calibration.calibrate`.
    """
    console = console or make_console(_WIDTH)
    for made in calibrate(root, lambda origin: print_line(console, f"Simulating on the {origin} rows.", "dim")):
        for name, value in facts(made):
            print_line(console, f"{name}: {value}")
        rows = [
            (
                *(check.aim, check.subject, check.condition),
                *(f"{check.promised:.0%}", f"{check.found:.1%}", f"±{check.tolerance:.1%}", f"{check.n:,}"),
                "" if check.holds else "missed",
            )
            for check in made.checks
        ]
        numbers = ("promised", "found", "tolerated", "of", "")
        print_table(console, ("", "estimator", "case"), numbers, rows, ("tolerated", "of"))
