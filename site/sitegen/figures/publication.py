"""A figure as it is published: its words, its files and where they lie; live, or pinned for ever.

A figure lies under ``embed/NAME/``: the address stays, and the content follows the results. One state of it can be kept
under ``pinned/HASH/``, where neither changes (``sitegen.embedding.pins``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sitegen.text.markup import TableCell, grid_table

LIVE_FOLDER = "embed/"
PINNED_FOLDER = "pinned/"

# What a reader can download, in the order in which it is offered: kind of file → its name in words.
DOWNLOADS = (
    ("light.svg", "SVG"), ("png", "PNG"), ("csv", "CSV"), ("parquet", "Parquet"), ("json", "Vega-Lite"),
    ("vega.json", "Vega"),
)  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """What a reader can choose in a figure.

    Attributes:
        name: in addresses and in the specification.
        label: of its menu.
        options: as text, in the menu's order.
        initial: the option that the figure itself chooses.
    """

    name: str
    label: str
    options: tuple[str, ...]
    initial: str


@dataclass(frozen=True)
class TableBehind:
    """The plotted rows as people read them: headings, and for each row (text, what it sorts by)."""

    headings: tuple[str, ...]
    rows: tuple[tuple[tuple[str, float | None], ...], ...]

    def html(self, title: str) -> str:
        """The table on one line of HTML; ``title`` is the figure's."""
        cells = [[TableCell(text, sort=sort) for text, sort in row] for row in self.rows]
        return grid_table(f"Rows behind the figure: {title}", self.headings, cells)


@dataclass(frozen=True)
class PublishedFigure:
    """A figure's published files and the words that go with them.

    Attributes:
        name: of the figure.
        title: heading above the chart.
        summary: one sentence below it, saying how to read it.
        description: what the chart shows, in words, for readers who do not see it.
        folder: where the files lie, from the site's root, with a slash at the end.
        files: kind ("light.svg", "dark.svg", "png", "json", "vega.json", "dark.vega.json", "csv", "parquet") → name.
        version: changes when any of the files does.
        width: of the static pictures, pixels.
        height: of the static pictures, pixels.
        parameters: what a reader can choose.
        table: the rows behind the figure.
    """

    name: str
    title: str
    summary: str
    description: str
    folder: str
    files: Mapping[str, str]
    version: str
    width: int
    height: int
    parameters: tuple[Parameter, ...]
    table: TableBehind

    @property
    def embeddable(self) -> bool:
        """Whether there is a page for frames; the figures of a post of the devlog have none."""
        return self.folder.startswith((LIVE_FOLDER, PINNED_FOLDER))

    @property
    def pinned(self) -> bool:
        """Whether this is one state of the figure, kept for ever."""
        return self.folder.startswith(PINNED_FOLDER)

    def address(self, kind: str) -> str:
        """Where a file lies, from the site's root."""
        return self.folder + self.files[kind]
