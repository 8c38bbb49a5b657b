"""The products of one token in every way to store and multiply the weights, in a table."""

from __future__ import annotations

import pandas as pd
from rich.console import Console

from bench.records.grouping import grouped
from bench.statistics.token_times import TokenTime, token_times
from bench.terminal.tables import UNRESOLVED_NOTE, print_table, ratio_text
from tinygpt.terminal.output import print_line
from tinygpt.terminal.quantities import significant


def print_tokens(console: Console, runs: pd.DataFrame, steps: pd.DataFrame) -> None:
    """Print the times and the ratios to float32, for each machine; nothing if there are none."""
    for times in grouped(token_times(runs, steps), lambda time: time.cell.scope).values():
        print_line(console, f"The products of one token on one thread ({times[0].cell.origin})", "bold")
        rows = [(time.way.label, time.cell.preset, _time(time), ratio_text(time.ratio)) for time in times]
        print_table(console, ("weights and products", "preset"), ("ms", "over float32"), rows)
        print_line(console, "over float32: the time of our compiled loop over float32, divided by this one", "dim")
        print_line(console, UNRESOLVED_NOTE, "dim")


def _time(time: TokenTime) -> str:
    return significant(time.cell.seconds.median * 1e3) if time.cell.n_rounds else time.cell.status
