"""Where a step goes, and which form of a kernel is faster, in tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from bench.arms.kernel_parts import FORMS, PARTS, PLACES
from bench.statistics.kernel_shares import form_comparison, part_shares, winner
from tinygpt.terminal.quantities import milliseconds

_PRESETS_A_TABLE = 5
_WHERE = {"cache": "from the cache", "memory": "from memory"}


def print_kernels(console: Console, runs: pd.DataFrame, steps: pd.DataFrame, kernels: pd.DataFrame) -> None:
    """Print the parts of a step and the forms of the kernels, by machine; nothing where none was measured."""
    for (origin, _), rows in part_shares(runs, steps, kernels).groupby(["origin", "machine_hash"], sort=False):
        presets = list(dict.fromkeys(rows["preset"]))
        for first in range(0, len(presets), _PRESETS_A_TABLE):
            _print_parts(
                console, f"Parts of a vectorized step, ms ({origin})", rows, presets[first:][:_PRESETS_A_TABLE]
            )
        console.print(
            "dispatch: waiting for the other workers, handing out work, Python between functions.\n"
            "Stopwatch: what timing the parts adds to a step.",
            style="dim",
            highlight=False,
        )
    for (origin, _), rows in form_comparison(runs, kernels).groupby(["origin", "machine_hash"], sort=False):
        _print_forms(console, f"Fused kernels, ns a number on one thread ({origin})", rows)


def _table(first: str, headings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _print_parts(console: Console, title: str, rows: pd.DataFrame, presets: Sequence[str]) -> None:
    console.print(title, style="bold", highlight=False, markup=False)
    table = _table("part", presets)
    by_preset = [rows[rows["preset"] == preset].set_index("part") for preset in presets]
    for part in PARTS:
        cells = [at.loc[[part]].iloc[0] for at in by_preset]
        table.add_row(part, *(f"{milliseconds(cell['seconds'])} {cell['share']:4.0%}" for cell in cells))
    table.add_section()
    firsts = [at.iloc[0] for at in by_preset]
    table.add_row("step", *(f"{milliseconds(cell['step_seconds'])} 100%" for cell in firsts))
    table.add_row("stopwatch", *(f"{cell['overhead']:+4.0%}" for cell in firsts))
    console.print(table)


def _print_forms(console: Console, title: str, rows: pd.DataFrame) -> None:
    console.print(title, style="bold", highlight=False, markup=False)
    table = _table("kernel", ["NumPy", "interval", "NumExpr", "interval", "faster by"])
    for place in PLACES:
        at_place = rows[rows["place"] == place]
        if at_place.empty:
            continue
        table.add_section()
        table.add_row(f"{_WHERE[place]}:")
        for kernel, pair in at_place.groupby("kernel", sort=False):
            texts = []
            for form in FORMS:
                row = pair[pair["form"] == form].iloc[0]
                texts += [
                    f"{row['nanoseconds']:.3g}",
                    f"{row['nanoseconds_low']:.2g} to {row['nanoseconds_high']:.2g}",
                ]
            table.add_row(f"  {kernel}", *texts, winner(pair.iloc[0]))
    console.print(table)
    first = rows.iloc[0]
    console.print(
        f"Measured beside {first['resolved_variant']}.", style="dim", highlight=False, markup=False, soft_wrap=True
    )
