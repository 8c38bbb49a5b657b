"""Pictures of figures: a chart's SVG with its words above and below it, and the font inlined."""

from __future__ import annotations

import base64
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from sitegen.text.escape import html_block
from sitegen.text.palette import FONT, FONT_FAMILY, LIGHT

FONTS = Path(__file__).parents[1] / "figures/fonts"
_MARGIN = 6  # pixels beside the words
_LETTER = 0.53  # mean width of a letter over the font's size
_LEADING = 1.32  # distance of two lines over the font's size
_TAG = re.compile(r'<(?!svg\b)[a-z](?:"[^"]*"|[^">])*>')
_DESCRIPTION = re.compile(r'\s(?:aria-[a-z]+|role)="[^"]*"')
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_SIZE = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)"[^>]*?\bheight="([\d.]+)"')


@dataclass(frozen=True)
class Picture:
    """A chart with its words.

    Attributes:
        svg: complete, without a font.
        width, height: of the whole, pixels.
        top: from the upper edge to the chart.
        chart: height of the chart.
    """

    svg: str
    width: int
    height: int
    top: int
    chart: int


def picture(chart: str, headline: str, measure: str, source: str) -> Picture:
    """Put a figure's words around its chart, in the light theme's colours."""
    width, height = svg_size(chart)
    title, y = _lines(headline, 19, LIGHT.ink, width, 8)
    subtitle, y = _lines(measure, 13, LIGHT.muted, width, y + 2)
    top = round(y) + 10
    footer, y = _lines(source, 11.5, LIGHT.muted, width, top + height + 6)
    total = round(y) + 6
    body = chart.replace("<svg ", f'<svg y="{top}" ', 1)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total}" viewBox="0 0 {width} {total}">'
        f'<rect width="{width}" height="{total}" fill="{LIGHT.background}"/>{title}{subtitle}'
        f"{body}{footer}</svg>"
    )
    return Picture(svg, width, total, top, height)


def _lines(words: str, size: float, color: str, width: int, y: float) -> tuple[str, float]:
    """A wrapped paragraph whose upper edge is at ``y``, and its lower edge; empty words take no room."""
    drawn = ""
    for line in wrapped(words, size, width - 2 * _MARGIN):
        y += size * _LEADING
        drawn += (
            f'<text x="{_MARGIN}" y="{y - size * 0.3:.1f}" font-family="{FONT_FAMILY}" font-size="{size}"'
            f' fill="{color}">{html_block(line)}</text>'
        )
    return drawn, y


def keep_percent(words: str) -> str:
    """The words with no break between a number and its sign: no line begins with the sign of 82 %."""
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


def wrapped(words: str, size: float, width: float) -> list[str]:
    """Break words into as few lines of some width in pixels as a browser does at that size, about equally long."""
    words, letters = keep_percent(words), int(width / (size * _LETTER))
    lines = textwrap.wrap(words, letters)
    while letters > 1 and len(shorter := textwrap.wrap(words, letters - 1)) == len(lines):
        letters, lines = letters - 1, shorter
    return lines


def svg_size(svg: str) -> tuple[int, int]:
    """Width and height of a picture, pixels."""
    match = _SIZE.search(svg)
    assert match
    return round(float(match.group(1))), round(float(match.group(2)))


def lighter_svg(svg: str) -> str:
    """Round a picture to a hundredth of a pixel and drop the descriptions of its marks, which images do not expose."""
    return _TAG.sub(lambda tag: _DECIMALS.sub(r"\1", _DESCRIPTION.sub("", tag.group())), svg)


def embed_font(svg: str) -> str:
    """Put the font into the picture, because an SVG in an ``<img>`` cannot use the page's fonts."""
    return re.sub(r"(<svg\b[^>]*>)", lambda match: f"{match.group(1)}<style>{font_face()}</style>", svg, count=1)


def font_face() -> str:
    """The charts' font as a CSS rule with the font inlined."""
    font = base64.b64encode((FONTS / "fira-sans-chart.woff2").read_bytes()).decode()
    return f'@font-face{{font-family:"{FONT}";src:url(data:font/woff2;base64,{font}) format("woff2")}}'
