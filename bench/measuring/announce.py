"""The lines before the cells: how long a run may take, what will disturb it, and which rounds are measured again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from bench.arms.suites import Cell, Suite
from bench.records.machine import busy_cores, openblas_override
from bench.records.protocol import MEASURED_STEPS, MEASURED_TEXTS, WARMUP_STEPS, WARMUP_TEXTS
from bench.statistics.probe_adjustment import DISTURBED
from tinygpt.system.threads import available_cores
from tinygpt.terminal.output import print_line
from tinygpt.terminal.quantities import clock, ratio

BUSY_SHARE = 0.3  # of the cores; above that, a warning


def announce(console: Console, suite: Suite, cells: Sequence[Cell], resumed: str | None, repeats: bool) -> None:
    """Print what will run.

    Args:
        cells: its cells that are not measured yet.
        resumed: the id of a resumed run, None for a new one.
        repeats: marked rounds are measured again.
    """
    n_all, n = len(suite.cells), len(cells)
    counts = (
        f"{WARMUP_TEXTS} + {MEASURED_TEXTS} texts" if suite.generates else f"{WARMUP_STEPS} + {MEASURED_STEPS} steps"
    )
    print_line(
        console,
        (f"Run {resumed} continues: {n_all - n} of {n_all} cells are measured. " if resumed else "")
        + f"Suite {suite.name}: {n} cells of {counts}, each in its own process; "
        f"at most {clock(sum(cell.limit_seconds for cell in cells))}, usually a fraction of that."
        + (
            " Rounds that the probe marks are measured again, at most half of them."
            if repeats and suite.rounds > 1
            else ""
        ),
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


def announce_again(console: Console, cells: Sequence[Cell], probes: Mapping[str, Mapping[int, float]]) -> None:
    """Print which rounds are measured again, and why.

    Args:
        probes: of planned rounds over that of the run's best, by preset and round.
    """
    rounds = dict.fromkeys((cell.preset, cell.replaces) for cell in cells if cell.replaces is not None)
    names = [f"{preset} {number + 1} ({ratio(probes[preset][number])})" for preset, number in rounds]
    limit = clock(sum(cell.limit_seconds for cell in cells))
    print_line(
        console,
        f"Measured again, all arms of each: round {', '.join(names)}. The probe took more than {DISTURBED} times as "
        f"long as in the run's best round. {len(cells)} cells, at most {limit}.",
    )
