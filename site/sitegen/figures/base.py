"""A figure: a question, the rows that answer it, and a pure function from those rows to an Altair chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import altair as alt
import pandas as pd

from sitegen.figures.fields import Field, with_fields
from sitegen.figures.grammar.words import Words, source_line
from sitegen.rows.results import Results
from sitegen.text.palette import Theme

Drawing = alt.LayerChart | alt.FacetChart  # the types that altair.layer() returns


class FigureModule(Protocol):
    """The names that a figure's file defines."""

    @property
    def FIELDS(self) -> tuple[Field, ...]:
        """Columns of the rows: where readers see them, and their formats."""

    def read(self, results: Results) -> pd.DataFrame:
        """Read the rows to plot, with at least the columns that no field derives."""

    def chart(self, rows: pd.DataFrame, theme: Theme) -> Drawing:
        """Draw the rows, of which there is at least one, in a theme."""

    def headline(self, rows: pd.DataFrame) -> str:
        """State the finding, no more surely than the rows do."""

    def describe(self, rows: pd.DataFrame) -> str:
        """Describe the chart in words, for readers who do not see it."""


@dataclass(frozen=True)
class Figure:
    """A row of the registry.

    Attributes:
        name: stable name, used by pages and in file names.
        title: its subject, in lists and tables.
        measure: the quantity that it shows, and how it was read.
        summary: text below it, on how to read it.
        module: the figure's file.
        needs: measurements without which there is nothing to plot; empty for a figure that is computed from the code.
        command: makes them.
        tabulated: plotted rows → rows of the table behind the figure; all of them by default.
    """

    name: str
    title: str
    measure: str
    summary: str
    module: FigureModule
    needs: str = ""
    command: str = ""
    tabulated: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows

    def rows(self, results: Results) -> pd.DataFrame:
        """The rows that are plotted and published."""
        return with_fields(self.module.read(results), self.module.FIELDS)

    def words(self, rows: pd.DataFrame, site: str = "") -> Words:
        """The words around the chart of some rows; ``site`` is the site's address, if it has one."""
        return Words(self.module.headline(rows), self.measure, source_line(rows, site))

    def describe(self, rows: pd.DataFrame) -> str:
        """Describe the chart of some rows in words."""
        return self.module.describe(rows)
