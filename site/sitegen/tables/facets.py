"""One part of a page for each machine; a row of buttons chooses one of several (``facets.js``)."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from bench.records.rows import PUBLISHED
from sitegen.rows.cells import machine_ranks
from sitegen.rows.results import Results
from sitegen.text.escape import html_block

Part = tuple[str, str]  # a machine, and the HTML below its name


def facets(parts: Iterable[Part]) -> str:
    """Return the parts below their machines' names. Without scripts, all are shown."""
    sections = "".join(
        f'<div class="tg-facet"><p class="tg-machine">{html_block(machine)}</p>{html}</div>' for machine, html in parts
    )
    return f'<div class="tg-facets" data-of="Machine">{sections}</div>'


def by_machine(frame: pd.DataFrame, results: Results) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each machine: published ones first, then in the order in which pages open with them."""
    ranks = machine_ranks(results)
    groups = [(str(machine), rows) for machine, rows in frame.groupby("machine", sort=False)]
    return sorted(
        groups,
        key=lambda group: (group[1]["origin"].iloc[0] != PUBLISHED, ranks.get(group[0], len(ranks)), -len(group[1])),
    )
