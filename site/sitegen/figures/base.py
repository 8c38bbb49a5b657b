"""What a figure is: a question, the rows that answer it, and a pure function from those rows to an Altair chart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import altair as alt
import pandas as pd

from sitegen.figures.fields import Field, with_fields
from sitegen.rows.results import Results
from sitegen.text.palette import Theme

Drawing = alt.LayerChart | alt.FacetChart  # what altair.layer() may return


class FigureModule(Protocol):
    """What a figure's file has."""

    @property
    def FIELDS(self) -> tuple[Field, ...]:
        """The columns of the rows: where readers meet them, and how they are written."""

    def read(self, results: Results) -> pd.DataFrame:
        """What is plotted, with at least the columns that no field derives."""

    def chart(self, rows: pd.DataFrame, theme: Theme) -> Drawing:
        """The chart of those rows in a theme. Not called with an empty frame."""

    def describe(self, rows: pd.DataFrame) -> str:
        """What the chart shows, in words, for readers who do not see it."""


@dataclass(frozen=True)
class Figure:
    """A row of the registry.

    Attributes:
        name: stable name, used by pages and in file names.
        title: heading above the chart.
        summary: one sentence below it, saying how to read it.
        needs: what must have been measured for there to be anything to plot.
        command: what to run when there is nothing to plot.
        module: the figure's file.
        tabulated: the plotted rows → those that the table behind the figure shows; all of them by default.
    """

    name: str
    title: str
    summary: str
    needs: str
    command: str
    module: FigureModule
    tabulated: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows

    def rows(self, results: Results) -> pd.DataFrame:
        """Exactly the rows that are plotted, as they are published."""
        return with_fields(self.module.read(results), self.module.FIELDS)

    def describe(self, rows: pd.DataFrame) -> str:
        """What the chart of some rows shows, in words."""
        return self.module.describe(rows)
