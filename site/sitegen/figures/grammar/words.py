"""The words around a chart, the same in pages, frames and pictures: finding, measure, source.

The finding is computed from the rows and says no more than their intervals do. A range is that of an interval; a value
without one, or one that its interval does not tell from no difference, is followed by a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from bench.records.rows import PUBLISHED
from sitegen.rows.machines import ORIGIN_WORDS
from tinygpt.terminal import quantities

PROJECT = "TinyGPT"
_SHOWN_MACHINES = 2  # in a footer; more are counted
_HASH = re.compile(r", [0-9a-f]{6}$")

UNRESOLVED = "unresolved"


@dataclass(frozen=True)
class Words:
    """The words of one figure.

    Attributes:
        headline: the finding.
        measure: the quantity, and how it was read.
        source: project, machines, dates and the site's address.
    """

    headline: str
    measure: str
    source: str


def source_line(rows: pd.DataFrame, site: str = "") -> str:
    """Project, machines and dates of the rows; ``site`` is the site's address, if it has one.

    Rows without a machine are computed by the library, and have no date.
    """
    parts = [PROJECT, *_measured(rows)] if "machine" in rows else [f"{PROJECT}, computed by the library"]
    return " · ".join([*parts, *([site.partition("://")[2].rstrip("/")] if site else [])])


def _measured(rows: pd.DataFrame) -> list[str]:
    machines = [*dict.fromkeys(short_machine(machine) for machine in rows["machine"].dropna() if machine)]
    more = len(machines) - _SHOWN_MACHINES
    named = [*machines[:_SHOWN_MACHINES], *([f"{more} more machine{'s' * (more > 1)}"] if more > 0 else [])]
    days = sorted(day for day in set(rows["measured_on"].dropna()) if day)
    dates = [] if not days else [days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"]
    return [*([quantities.listed(named)] if named else []), *dates]


def short_machine(label: str) -> str:
    """A machine's label without the word for published rows and the start of its hash."""
    return _HASH.sub("", label.removeprefix(f"{ORIGIN_WORDS[PUBLISHED]}: "))


# ---- doubt -----------------------------------------------------------------------------------------------


def in_doubt(value: float, low: float, high: float, write: Callable[[float], str], level: float | None = None) -> str:
    """A value as its interval, or with a word if it has none or the interval holds ``level``."""
    if any(map(math.isnan, (low, high))):
        return f"{write(value)} ({UNRESOLVED})"
    ends = quantities.between(low, high, write)
    return f"{ends} ({UNRESOLVED})" if level is not None and low <= level <= high else ends


def short_ratio(value: float) -> str:
    """A ratio in a headline, with two digits."""
    return f"{quantities.significant(value, 2)}×"


def first_machine(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the machine that a figure opens with: the one that comes first (``sitegen.rows.cells``)."""
    named = rows.loc[rows["machine"].fillna("") != "", "machine"]
    return rows[rows["machine"] == named.iloc[0]] if len(named) else rows


def where(rows: pd.DataFrame) -> str:
    """The machine that a figure opens with, for a headline: words only where there are several."""
    if rows["machine"].nunique() < 2:
        return ""
    return f" on {short_machine(str(first_machine(rows)['machine'].iloc[0]))}"


def parameters(count: float) -> str:
    """A model's size in a headline: 473 M parameters."""
    return f"{quantities.short_count(count)} parameters"
