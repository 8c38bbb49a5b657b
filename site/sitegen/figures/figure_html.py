"""A figure as one line of HTML: pictures that the live chart replaces, downloads, and the table behind it."""

from __future__ import annotations

from collections.abc import Callable

from sitegen.figures import Figure
from sitegen.figures.publication import DOWNLOADS, PublishedFigure
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import nothing_yet
from sitegen.text.pictures import keep_percent


def figure_html(figure: PublishedFigure, relative: Callable[[str], str]) -> str:
    """The figure as HTML; ``relative`` turns an address from the site's root into one from the page."""
    embed = f' · <a href="{relative(figure.folder)}">Figure alone</a>' if figure.embeddable else ""
    return (
        f'<figure class="tg-figure" id="figure-{figure.name}" style="{_room(figure)}">'
        f'<figcaption><span class="tg-figure__title">{html_block(keep_percent(figure.words.headline))}</span>'
        f"{measure_html(figure)}</figcaption>"
        f"{chart_html(figure, relative)}{source_html(figure)}"
        f'<div class="tg-figure__words">{html_block(figure.summary)} '
        f'<span class="tg-downloads">Download: {_downloads(figure, relative)}{embed}</span></div>'
        f"{table_html(figure, relative)}</figure>"
    )


def measure_html(figure: PublishedFigure) -> str:
    """The measure below the headline; nothing for a figure that was pinned without."""
    return _words("measure", figure.words.measure)


def source_html(figure: PublishedFigure) -> str:
    """The source below the chart; nothing for a figure that was pinned without."""
    return _words("source", figure.words.source)


def _words(kind: str, words: str) -> str:
    return f'<span class="tg-figure__{kind}">{html_block(words)}</span>' if words else ""


def _room(figure: PublishedFigure) -> str:
    """The figure's sizes as CSS: of the chart, of its menus, and the part of its picture that is the chart."""
    words = figure.above + figure.below
    top = f"{100 * figure.above / words:.2f}%" if words else "0%"
    return (
        f"--plot-height:{figure.height}px;--menus:{len(figure.parameters)};"
        f"--plot-shape:{figure.width}/{figure.height};--plot-top:{top}"
    )


def chart_html(
    figure: PublishedFigure, relative: Callable[[str], str], schemes: tuple[str, ...] = ("light", "dark")
) -> str:
    """The container of the live chart, with a picture in it for each colour scheme."""
    size, alt = f'width="{figure.width}" height="{figure.picture_height}"', html_attribute(figure.description)
    pictures = "".join(
        f'<img class="tg-only-{scheme}" src="{_file(figure, f"{scheme}.svg", relative)}" {size} alt="{alt}"'
        ' loading="lazy">'
        for scheme in schemes
    )
    data = f'data-light="{figure.address("vega.json")}" data-dark="{figure.address("dark.vega.json")}"'
    return (
        f'<div class="tg-chart" role="group" aria-label="{html_attribute(figure.title)}" data-figure="{figure.name}"'
        f' {data} data-version="{figure.version}">{pictures}</div>'
    )


def table_html(figure: PublishedFigure, relative: Callable[[str], str]) -> str:
    """The table behind the figure, folded: site.js fetches it from the figure's own page when a reader unfolds it."""
    own_page = f'<p data-part><a href="{relative(figure.folder)}#rows">On the figure\'s own page</a></p>'
    table = own_page if figure.embeddable else figure.table.html(figure.title)
    return f"<details><summary>The rows behind this figure</summary>{table}</details>"


def empty_figure_html(figure: Figure) -> str:
    """A note in place of a figure that has nothing to plot."""
    return (
        f'<figure class="tg-figure tg-figure--empty" id="figure-{figure.name}">'
        f'<figcaption class="tg-figure__title">{html_block(figure.title)}</figcaption>'
        f"{nothing_yet(f'This figure needs {figure.needs}, and there is none', figure.command)}</figure>"
    )


def _downloads(figure: PublishedFigure, relative: Callable[[str], str]) -> str:
    return " · ".join(
        f'<a href="{_file(figure, kind, relative)}" download="tinygpt-{figure.files[kind]}">{label}</a>'
        for kind, label in DOWNLOADS
    )


def _file(figure: PublishedFigure, kind: str, relative: Callable[[str], str]) -> str:
    """A file's address, with a version that changes with the figure; a pinned figure needs none."""
    return relative(figure.address(kind)) + ("" if figure.pinned else f"?v={figure.version}")
