"""What a person should know before the first cell runs: how long it may take, and what will disturb it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from bench.arms.suites import Cell, Suite
from bench.records.machine import busy_cores, openblas_override
from bench.records.protocol import MEASURED_STEPS, MEASURED_TEXTS, WARMUP_STEPS, WARMUP_TEXTS
from tinygpt.system.threads import available_cores
from tinygpt.terminal.quantities import clock

BUSY_SHARE = 0.3  # of the cores; above that, a warning


def announce(console: Console, suite: Suite, cells: Sequence[Cell], resumed: str | None) -> None:
    """Print it.

    Args:
        console: where to.
        suite: what was asked for.
        cells: what is left of it.
        resumed: the run that goes on, None for a new one.
    """
    n = len(cells)
    already = len(suite.cells) - n
    counts = (
        f"{WARMUP_TEXTS} + {MEASURED_TEXTS} texts" if suite.generates else f"{WARMUP_STEPS} + {MEASURED_STEPS} steps"
    )
    _say(
        console,
        (f"Run {resumed} goes on: {already} of {len(suite.cells)} cells are measured. " if resumed else "")
        + f"Suite {suite.name}: {n} cells of {counts}, each in a process of its own; "
        f"at most {clock(sum(cell.limit_seconds for cell in cells))}, usually a fraction of that.",
    )
    kernel = openblas_override()
    if kernel:
        _say(
            console,
            f"OPENBLAS_CORETYPE={kernel} chooses the BLAS kernel; it may not be the best this CPU has. "
            "Run: env -u OPENBLAS_CORETYPE invoke bench",
        )
    busy = busy_cores()
    if busy is not None and busy > BUSY_SHARE * available_cores():
        _say(
            console,
            f"The machine is busy: {busy:.1f} of {available_cores()} cores, by the last minute's load. Times will "
            "be longer and spread wider than on an idle one.",
        )


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
