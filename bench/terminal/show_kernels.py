"""Where a step goes, and which form of a kernel is faster, in tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench.records.grouping import grouped
from bench.statistics.kernel_shares import FormTime, PartShare, form_comparison, part_shares, winner
from tinygpt.terminal.quantities import milliseconds

_PRESETS_A_TABLE = 5
_WHERE = {"cache": "from the cache", "memory": "from memory"}


def print_kernels(console: Console, runs: pd.DataFrame, steps: pd.DataFrame, kernels: pd.DataFrame) -> None:
    """Print the parts of a step and the forms of the kernels, by machine; nothing where none was measured."""
    for parts in grouped(part_shares(runs, steps, kernels), lambda part: part.run.scope).values():
        by_preset = grouped(parts, lambda part: part.run.preset)
        for first in range(0, len(by_preset), _PRESETS_A_TABLE):
            title = f"Parts of a vectorized step, ms ({parts[0].run.origin})"
            _print_parts(console, title, dict([*by_preset.items()][first:][:_PRESETS_A_TABLE]))
        console.print(
            "dispatch: waiting for the other workers, handing out work, Python between functions.\n"
            "Stopwatch: what timing the parts adds to a step.",
            style="dim",
            highlight=False,
        )
    for forms in grouped(form_comparison(runs, kernels), lambda form: form.run.scope).values():
        _print_forms(console, f"Fused kernels, ns a number on one thread ({forms[0].run.origin})", forms)


def _table(first: str, headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _print_parts(console: Console, title: str, presets: Mapping[str, Sequence[PartShare]]) -> None:
    console.print(title, style="bold", highlight=False, markup=False)
    table = _table("part", [*presets])
    for row in zip(*presets.values(), strict=True):
        table.add_row(row[0].part, *(f"{milliseconds(part.seconds)} {part.share:4.0%}" for part in row))
    table.add_section()
    firsts = [parts[0] for parts in presets.values()]
    table.add_row("step", *(f"{milliseconds(part.step_seconds)} 100%" for part in firsts))
    table.add_row("stopwatch", *(f"{part.overhead:+4.0%}" for part in firsts))
    console.print(table)


def _print_forms(console: Console, title: str, forms: Sequence[FormTime]) -> None:
    console.print(title, style="bold", highlight=False, markup=False)
    table = _table("kernel", ["NumPy", "interval", "NumExpr", "interval", "faster by"])
    for place, there in grouped(forms, lambda form: form.place).items():
        table.add_section()
        table.add_row(f"{_WHERE[place]}:")
        for kernel, both in grouped(there, lambda form: form.kernel).items():
            times = [form.nanoseconds for form in both]
            texts = [text for time in times for text in (f"{time.median:.3g}", f"{time.low:.2g} to {time.high:.2g}")]
            table.add_row(f"  {kernel}", *texts, winner(both[0]))
    console.print(table)
    console.print(
        f"Measured beside {forms[0].run.resolved_variant}.", style="dim", highlight=False, markup=False, soft_wrap=True
    )
