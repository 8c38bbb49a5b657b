"""A published figure, live or pinned: its words, its files and their addresses.

A live figure is under ``embed/NAME/``: the address is permanent and the content follows the results. A pinned state is
under ``pinned/HASH/``, where neither changes (``sitegen.embedding.pins``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sitegen.figures.grammar.words import Words
from sitegen.text.markup import TableCell, grid_table

LIVE_FOLDER = "embed/"
WITH_LOCAL_ROWS = "-with-local-rows"  # after a figure's name: the folder of what pages show and other sites do not
PINNED_FOLDER = "pinned/"

# Downloads in the order of the page: kind of file, its name in words.
DOWNLOADS = (
    ("light.svg", "SVG"), ("png", "PNG"), ("csv", "CSV"), ("parquet", "Parquet"), ("json", "Vega-Lite"),
    ("vega.json", "Vega"),
)  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """A choice that a figure offers its readers.

    Attributes:
        name: in addresses and in the specification.
        label: of its menu.
        options: as text, in the menu's order.
        initial: the default option.
    """

    name: str
    label: str
    options: tuple[str, ...]
    initial: str


@dataclass(frozen=True)
class TableBehind:
    """The plotted rows for reading: headings, and in each row pairs of text and sort key."""

    headings: tuple[str, ...]
    rows: tuple[tuple[tuple[str, float | None], ...], ...]

    def html(self, title: str) -> str:
        """The table on one line of HTML; ``title`` is that of the figure."""
        cells = [[TableCell(text, sort=sort) for text, sort in row] for row in self.rows]
        return grid_table(f"Rows behind the figure: {title}", self.headings, cells)


@dataclass(frozen=True)
class PublishedFigure:
    """A figure's published files and its words.

    Attributes:
        name: of the figure.
        title: its subject, in lists and tables.
        words: the headline, the measure and the source around the chart.
        summary: text below it, on how to read it.
        description: the chart in words, for readers who do not see it.
        folder: of the files, from the site's root, with a slash at the end.
        files: kind ("light.svg", "dark.svg", "png", "json", "vega.json", "dark.vega.json", "csv", "parquet") → name.
        version: changes with the files.
        width, height: of the chart in the static pictures, pixels.
        above, below: room of the words in them, pixels.
        parameters: choices for readers.
        table: the rows behind the figure.
    """

    name: str
    title: str
    words: Words
    summary: str
    description: str
    folder: str
    files: Mapping[str, str]
    version: str
    width: int
    height: int
    above: int
    below: int
    parameters: tuple[Parameter, ...]
    table: TableBehind

    @property
    def embeddable(self) -> bool:
        """True if there is a page for frames; the figures of the devlog's posts have none."""
        return self.folder.startswith((LIVE_FOLDER, PINNED_FOLDER))

    @property
    def pinned(self) -> bool:
        """True for a permanent state of the figure."""
        return self.folder.startswith(PINNED_FOLDER)

    @property
    def picture_height(self) -> int:
        """Height of the static pictures, words included, pixels."""
        return self.above + self.height + self.below

    def address(self, kind: str) -> str:
        """A file's address from the site's root."""
        return self.folder + self.files[kind]
