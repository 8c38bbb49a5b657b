"""Ratios as measured and adjusted by the probe, and the rounds that the probe marks."""

from __future__ import annotations

import pandas as pd
from rich.console import Console

from bench.arms.registry import OURS
from bench.records.grouping import grouped
from bench.statistics.intervals import ends_in_words
from bench.statistics.probe_adjustment import DISTURBED, adjusted_ratios
from bench.statistics.ratios import Ratio
from bench.terminal.tables import print_table, ratio_text
from tinygpt.terminal.output import print_line
from tinygpt.terminal.quantities import or_dash, ratio

_SHOWN = ("rounds", "measured", "interval", "adjusted", "interval")
_WEATHER = ("slowest probe", "marked", "replaced", "faults/step")
_SPARE = ("replaced", "faults/step", "slowest probe", "marked")


def print_probes(
    console: Console, runs: pd.DataFrame, steps: pd.DataFrame, probes: pd.DataFrame, every_run: bool
) -> None:
    """Print a table for the newest run with probes of each machine, or for every run; nothing if there are none."""
    for ratios in grouped(adjusted_ratios(runs, steps, probes), lambda row: row.cell.scope).values():
        by_run = grouped(ratios, lambda row: row.cell.run_id)
        for run_id in by_run if every_run else [max(by_run)]:
            title = f"Time over {OURS}'s, as measured and adjusted by the probe ({ratios[0].cell.origin}, run {run_id})"
            print_line(console, title, "bold")
            rows = (
                (
                    *(row.cell.preset, row.cell.variant, str(row.ratio.n_rounds)),
                    *(*_texts(row.ratio), *_texts(row.adjusted), ratio(max(row.probes))),
                    *(str(row.n_disturbed), str(row.n_replaced), or_dash(row.page_faults, ",.0f")),
                )
                for row in by_run[run_id]
            )
            print_table(console, ("preset", "engine"), (*_SHOWN, *_WEATHER), rows, _SPARE)
            text = (
                f"marked: rounds whose probe took more than {DISTURBED} times as long as in the run's best round; "
                "replaced: marked rounds in whose place others count"
            )
            console.print(text, style="dim", highlight=False)


def _texts(found: Ratio) -> tuple[str, str]:
    return ratio_text(found), ends_in_words(found.low, found.high, ratio)
