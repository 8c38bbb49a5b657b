"""The diagnosis in the terminal: the machine, what fits, and what was found, within 80 columns."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.planning.doctor import BROKEN, MISSING, NOTE, OK, Diagnosis, Finding, diagnose
from tinygpt.terminal.command_name import as_called
from tinygpt.terminal.output import make_console
from tinygpt.terminal.quantities import gibibytes

_COLORS = {OK: "green", NOTE: "yellow", MISSING: "cyan", BROKEN: "red"}


def print_doctor(results_root: Path) -> int:
    """Look at the machine and print what was found; returns the exit code."""
    diagnosis = diagnose(results_root)
    print_diagnosis(diagnosis, make_console())
    return diagnosis.exit_code


def print_diagnosis(diagnosis: Diagnosis, console: Console) -> None:
    """Print a diagnosis."""
    _print_machine(console, diagnosis)
    _print_needs(console, diagnosis)
    _print_findings(console, diagnosis.findings)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(text, style="bold", highlight=False)


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
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, escape(text))
    console.print(table)


def _print_needs(console: Console, diagnosis: Diagnosis) -> None:
    _heading(console, "What fits: predicted peak memory of a training run")
    available = diagnosis.memory.available
    engines = list(diagnosis.needs[0].bytes_by_engine)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("preset", no_wrap=True)
    for engine in engines:
        table.add_column(engine, justify="right", no_wrap=True)
    for need in diagnosis.needs:
        cells = [
            f"{gibibytes(count)}    " if count <= available else f"[red]{gibibytes(count)} no[/] "
            for count in need.bytes_by_engine.values()
        ]
        table.add_row(need.preset, *cells)
    console.print(table)


def _print_findings(console: Console, findings: tuple[Finding, ...]) -> None:
    console.print("What was found", style="bold")
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        text = escape(finding.text)
        if finding.mend:
            text += f"\n[bold]→ {escape(as_called(finding.mend))}[/]"
        table.add_row(f"[{_COLORS[finding.state]}]{finding.state}[/]", escape(finding.subject), text)
    console.print(table)
    counts = {state: sum(finding.state == state for finding in findings) for state in (BROKEN, NOTE, MISSING)}
    words = {
        BROKEN: "broken, and training needs it",
        NOTE: "to note",
        MISSING: "optional and not installed",
    }
    told = [f"{count} {words[state]}" for state, count in counts.items() if count]
    console.print()
    console.print("; ".join(told).capitalize() + "." if told else "Nothing to mend.", style="bold", highlight=False)
