"""Frames on other pages: their HTML, and the height that they declare.

With ``embed.js`` a frame gets the height that it needs. Without, the plot takes the height that is left over, so the
declared one only has to be near: it is that of the chart, and of the words around it in a column of usual width.
"""

from __future__ import annotations

import html
import math

from sitegen.figures.grammar.words import PROJECT
from sitegen.figures.publication import PublishedFigure
from sitegen.text.pictures import wrapped

LINK = f"See it on {PROJECT}"

_COLUMN = 560  # pixels
# As embed.css and figures.css have them, in pixels: size and height of a line of the headline and of the other words.
_HEADLINE, _WORDS = (19.0, 25.65), (13.6, 19.04)
_MENUS, _REST = 42, 75  # a line of two menus; the line that unfolds the table, and all margins


def frame_html(figure: PublishedFigure, site_url: str, query: str = "", with_script: bool = False) -> str:
    """A frame that shows a figure, and if asked for the script that gives it the height that it needs.

    The sandbox allows links to the site, which open as ordinary pages.
    """
    frame = (
        f'<iframe src="{html.escape(f"{site_url}{figure.folder}{query}")}" title="{html.escape(figure.words.headline)}"'
        f' width="100%" height="{frame_height(figure)}" style="border:0;width:100%" loading="lazy"'
        ' sandbox="allow-scripts allow-popups allow-popups-to-escape-sandbox"></iframe>'
    )
    return f'{frame}\n<script src="{html.escape(site_url)}embed.js" async></script>' if with_script else frame


def frame_height(figure: PublishedFigure) -> int:
    """The height that a frame declares, in pixels."""
    words = figure.words
    paragraphs = ((words.headline, _HEADLINE), (words.measure, _WORDS), (f"{words.source} {LINK}", _WORDS))
    text = sum(len(wrapped(text, size, _COLUMN)) * leading for text, (size, leading) in paragraphs)
    return round(figure.height + text + _MENUS * math.ceil(len(figure.parameters) / 2) + _REST)
