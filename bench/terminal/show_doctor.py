"""The diagnosis in the terminal, within 80 columns: the machine, the presets that fit, and the findings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bench.planning.doctor import BROKEN, MISSING, NOTE, OK, Diagnosis, Finding, diagnose
from bench.terminal.tables import print_fields, print_table
from tinygpt.engines import CPU_ENGINES
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console
from tinygpt.terminal.quantities import gibibytes

_COLORS = {OK: "green", NOTE: "yellow", MISSING: "cyan", BROKEN: "red"}
_COUNTED = {BROKEN: "broken, and training needs it", NOTE: "to note", MISSING: "optional and not installed"}


def print_doctor(results_root: Path) -> int:
    """Diagnose the machine and print the findings; return the exit code."""
    diagnosis = diagnose(results_root)
    print_diagnosis(diagnosis, make_console())
    return diagnosis.exit_code


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print a diagnosis."""
    _print_machine(console, diagnosis)
    _print_needs(console, diagnosis)
    _print_findings(console, diagnosis.findings)


def _print_machine(console: Console, diagnosis: Diagnosis) -> None:
    m = diagnosis.machine
    quota = "" if m.core_quota is None else f", quota {m.core_quota:g}"
    limit = "" if m.memory_limit_gib is None else f", limit {m.memory_limit_gib:g} GiB"
    blas = " ".join(filter(None, (m.blas, m.blas_version)))
    rows = (
        ("processor", f"{m.cpu}, {m.arch_level}"),
        ("cores", f"{m.cores}{quota}"),
        ("memory", f"{m.memory_gib:g} GiB{limit}, {gibibytes(diagnosis.memory.available)} available"),
        ("system", f"{m.os}, {m.python}"),
        ("libraries", f"NumPy {m.numpy}, NumExpr {m.numexpr or 'none'}, {blas}"),
        ("BLAS", f"kernel {m.blas_kernel or 'unknown'}, {m.blas_threads or 'unknown'} threads"),
        ("fingerprint", m.hash[:12]),
    )
    console.print("This machine", style="bold")
    print_fields(console, rows)


def _print_needs(console: Console, diagnosis: Diagnosis) -> None:
    console.print("\nWhat fits: predicted peak memory of a training run", style="bold", highlight=False)
    free = diagnosis.memory.available
    rows = (
        [preset, *(Text(f"{gibibytes(n)} no", "red") if n > free else f"{gibibytes(n)}   " for n in needs.values())]
        for preset, needs in diagnosis.needs.items()
    )
    print_table(console, ("preset",), CPU_ENGINES, rows)


def _print_findings(console: Console, findings: tuple[Finding, ...]) -> None:
    console.print("Findings", style="bold")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        text = escape(finding.text)
        if finding.fix:
            text += f"\n[bold]→ {escape(as_called(finding.fix))}[/]"
        table.add_row(f"[{_COLORS[finding.state]}]{finding.state}[/]", escape(finding.subject), text)
    console.print(table)
    counts = Counter(finding.state for finding in findings)
    summary = "; ".join(f"{counts[state]} {words}" for state, words in _COUNTED.items() if counts[state])
    console.print(f"\n{summary}." if summary else "\nNothing to fix.", style="bold", highlight=False)
