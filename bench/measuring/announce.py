"""The lines before the first cell: how long a run may take, and what will disturb it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from bench.arms.suites import Cell, Suite
from bench.records.machine import busy_cores, openblas_override
from bench.records.protocol import MEASURED_STEPS, MEASURED_TEXTS, WARMUP_STEPS, WARMUP_TEXTS
from tinygpt.system.threads import available_cores
from tinygpt.terminal.output import print_line
from tinygpt.terminal.quantities import clock

BUSY_SHARE = 0.3  # of the cores; above that, a warning


def announce(console: Console, suite: Suite, cells: Sequence[Cell], resumed: str | None) -> None:
    """Print what will run.

    Args:
        console: the output.
        suite: the whole suite.
        cells: its cells that are not measured yet.
        resumed: the id of a resumed run, None for a new one.
    """
    n_all, n = len(suite.cells), len(cells)
    counts = (
        f"{WARMUP_TEXTS} + {MEASURED_TEXTS} texts" if suite.generates else f"{WARMUP_STEPS} + {MEASURED_STEPS} steps"
    )
    print_line(
        console,
        (f"Run {resumed} continues: {n_all - n} of {n_all} cells are measured. " if resumed else "")
        + f"Suite {suite.name}: {n} cells of {counts}, each in its own process; "
        f"at most {clock(sum(cell.limit_seconds for cell in cells))}, usually a fraction of that.",
    )
    if kernel := openblas_override():
        print_line(
            console,
            f"OPENBLAS_CORETYPE={kernel} selects the BLAS kernel; it may not be the best one for this CPU. "
            "Run: env -u OPENBLAS_CORETYPE invoke bench",
        )
    busy = busy_cores()
    if busy is not None and busy > BUSY_SHARE * available_cores():
        print_line(
            console,
            f"The machine is busy: {busy:.1f} of {available_cores()} cores, by the last minute's load. Times will "
            "be longer and spread wider than on an idle one.",
        )
