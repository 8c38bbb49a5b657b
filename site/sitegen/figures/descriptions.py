"""Charts in words, for readers who do not see them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from tinygpt.terminal.quantities import counted


def describe_groups(rows: pd.DataFrame, by: str, words: Callable[[pd.DataFrame], str]) -> str:
    """A sentence for each group of rows: its name, and the words that a function gives it."""
    return " ".join(f"{name}: {words(group)}." for name, group in rows.groupby(by, sort=False))


def describe_projections(rows: pd.DataFrame) -> str:
    """The number of projected points, as a sentence; empty without any."""
    count = int((rows["state"] == "projected").sum())
    return f" {count} {'points are projections' if count > 1 else 'point is a projection'}." if count else ""


def describe_ends(rows: pd.DataFrame, written: str) -> str:
    """For each machine, every engine's value at its smallest and largest preset; empty without rows.

    Args:
        rows: columns ``machine``, ``variant``, ``preset``, ``n_parameters`` and ``written``.
        written: name of the column with the value as text.
    """
    machines = []
    for machine, on_machine in rows.groupby("machine", sort=False):
        parts = []
        for variant, group in on_machine.groupby("variant", sort=False):
            ends = group.sort_values("n_parameters")
            first, last = ends.iloc[0], ends.iloc[-1]
            part = f"{variant} {first[written]} at {first['preset']}"
            parts.append(part if len(ends) == 1 else f"{part} and {last[written]} at {last['preset']}")
        machines.append(f"{machine}: {'; '.join(parts)}.")
    return " ".join(machines)


def describe_failures(rows: pd.DataFrame) -> str:
    """The number of failed cells, as a sentence; empty without any."""
    failed = int((rows["state"] == "failed").sum())
    return f" {counted(failed, 'cell')} failed." if failed else ""
