"""Figures for other sites: a page for frames, an oEmbed record, and snippets.

The page has a strict content policy and fetches no data, so it works in a sandboxed frame, which has no origin. It
contains the specifications of both colour schemes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from sitegen.figures.figure_html import chart_html, measure_html, source_html, table_html
from sitegen.figures.grammar.words import PROJECT
from sitegen.figures.publication import PublishedFigure
from sitegen.figures.render import PNG_SCALE
from sitegen.text.addresses import UNKNOWN_SITE
from sitegen.text.escape import html_attribute, html_block, json_text

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src data:",
        "connect-src 'none'", "base-uri 'none'", "form-action 'none'",
    )
)  # fmt: skip
_ICON = "generated/favicon.svg"
_STYLES = ("generated/palette.css", "generated/chart-font.css", "css/figures.css", "css/embed.css")
_SCRIPTS = ("vendor/vega-charts.min.js", "js/figure.js", "js/embed-page.js")
DEVLOG = "devlog"  # folder, set in mkdocs.yml
_UP = "../../"  # from a figure's folder to the site's root
_FRAME_EXTRA = 190  # pixels around the chart: title, menus, caption and table
_FIGURE_ID = re.compile(r'<figure class="tg-figure" id="figure-([a-z0-9_]+)"')


@dataclass(frozen=True)
class Snippet:
    """A text to paste, and a label for it."""

    label: str
    text: str


def write_embeds(figures: Iterable[PublishedFigure], site: Path, site_url: str) -> None:
    """Write the page and the oEmbed record of every figure into a built site, which has the figure's files already.

    Args:
        figures: live and pinned ones.
        site: the built folder.
        site_url: its address, with a slash at the end; records need it, so without one none is written.
    """
    homes = _pages_with_figures(site)
    for figure in figures:
        page = embed_page(figure, homes.get(figure.name), site_url, site)
        (site / figure.folder / "index.html").write_text(page, encoding="utf-8")
        if site_url:
            (site / oembed_file(figure)).write_text(oembed_record(figure, site_url), encoding="utf-8")


def _pages_with_figures(site: Path) -> dict[str, str]:
    """Figure → address, from the root, of the page that explains it.

    The home page, which explains nothing, and the devlog, which shows older states, come last.
    """
    homes: dict[str, str] = {}
    for path in sorted(
        site.rglob("index.html"), key=lambda path: (path.is_relative_to(site / DEVLOG), path.parent == site, path)
    ):
        for name in _FIGURE_ID.findall(path.read_text(encoding="utf-8")):
            homes.setdefault(name, path.relative_to(site).as_posix().removesuffix("index.html"))
    return homes


def embed_page(figure: PublishedFigure, home: str | None, site_url: str, site: Path) -> str:
    """The page for frames.

    Args:
        figure: to show.
        home: address, from the site's root, of the page that explains the figure; None if no page shows it any more.
        site_url: the site's address, or empty.
        site: the built folder, with the figure's files.
    """

    def relative(address: str) -> str:
        return _UP + address

    # Compiled specifications have no "<", so that a page can contain them.
    light, dark = (
        (site / figure.address(kind)).read_text(encoding="utf-8") for kind in ("vega.json", "dark.vega.json")
    )
    link = _UP if home is None else f"{_UP}{home}#figure-{figure.name}"
    canonical = figure.folder if figure.pinned or home is None else home
    named = [f'<link rel="canonical" href="{site_url}{canonical}">', oembed_link(figure, site_url)] if site_url else []
    pinned = " This is a pinned state of the figure; it does not change." if figure.pinned else ""
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html_block(figure.words.headline)} · {PROJECT}</title>",
        f'<meta name="description" content="{html_attribute(figure.summary)}">',
        *named,
        f'<link rel="icon" href="{_UP}assets/{_ICON}">',
        *(f'<link rel="stylesheet" href="{_UP}assets/{name}">' for name in _STYLES),
        *(f'<script defer src="{_UP}assets/{name}"></script>' for name in _SCRIPTS),
        '</head><body class="tg-embed" data-md-color-scheme="default"><main>',
        f'<figure class="tg-figure" id="figure-{figure.name}">'
        f'<h1 class="tg-figure__title">{html_block(figure.words.headline)}</h1>{measure_html(figure)}',
        f"{chart_html(figure, relative, ('light',))}{source_html(figure)}",
        table_html(figure),
        f"<figcaption>{html_block(figure.summary)}{pinned} "
        f'<a href="{link}" data-figure="{figure.name}" target="_blank" rel="noopener">{PROJECT}</a></figcaption>',
        "</figure></main>",
        f'<script type="application/json" id="specifications">{{"light":{light},"dark":{dark}}}</script>',
        "</body></html>",
    ]
    return "\n".join(lines) + "\n"


# ---- oEmbed --------------------------------------------------------------------------------------------


def oembed_file(figure: PublishedFigure) -> str:
    """Name of the figure's oEmbed record, at the site's root."""
    return f"oembed-{figure.folder.rstrip('/').rpartition('/')[2]}.json"


def oembed_link(figure: PublishedFigure, site_url: str) -> str:
    """The link in a page's head by which other sites find the record."""
    href, title = site_url + oembed_file(figure), html_attribute(figure.title)
    return f'<link rel="alternate" type="application/json+oembed" href="{href}" title="{title}">'


def oembed_record(figure: PublishedFigure, site_url: str) -> str:
    """The record (https://oembed.com, version 1.0) as JSON."""
    return json_text(
        {
            "version": "1.0",
            "type": "rich",
            "provider_name": PROJECT,
            "provider_url": site_url,
            "title": figure.words.headline,
            "html": _frame(figure, site_url),
            "width": figure.width,
            "height": _frame_height(figure),
            "thumbnail_url": site_url + figure.address("png"),
            "thumbnail_width": round(figure.width * PNG_SCALE),
            "thumbnail_height": round(figure.picture_height * PNG_SCALE),
        }
    )


# ---- snippets ------------------------------------------------------------------------------------------


def snippets(figure: PublishedFigure, site_url: str) -> list[Snippet]:
    """The texts that show a figure on another site when pasted there; ``site_url`` may be empty."""
    site_url = site_url or UNKNOWN_SITE
    address = {kind: site_url + figure.address(kind) for kind in figure.files}
    page, alt = site_url + figure.folder, html.escape(figure.description)
    chosen = urlencode({"theme": "dark"} | {parameter.name: parameter.initial for parameter in figure.parameters})
    picture = (
        f'<a href="{page}"><picture>\n'
        f'  <source media="(prefers-color-scheme: dark)" srcset="{address["dark.svg"]}">\n'
        f'  <img src="{address["light.svg"]}" width="{figure.width}" height="{figure.picture_height}"\n'
        f'       style="max-width:100%;height:auto" alt="{alt}">\n'
        "</picture></a>"
    )
    return [
        Snippet(
            "Frame that fits its content",
            f'{_frame(figure, site_url)}\n<script src="{site_url}embed.js" async></script>',
        ),
        Snippet("Frame in dark colours, with choices made", _frame(figure, site_url, f"?{chosen}")),
        Snippet("Picture, light or dark like the reader's system", picture),
        Snippet("Markdown picture", f"[![{figure.title}]({address['png']})]({page})"),
        Snippet("Address for sites that support oEmbed", page),
        Snippet("oEmbed record", site_url + oembed_file(figure)),
        Snippet(
            "Data: plotted rows and specifications",
            "\n".join(address[kind] for kind in ("csv", "parquet", "json", "vega.json", "dark.vega.json")),
        ),
    ]


def _frame(figure: PublishedFigure, site_url: str, query: str = "") -> str:
    source = html.escape(f"{site_url}{figure.folder}{query}")
    return (
        f'<iframe src="{source}" title="{html.escape(figure.title)}" width="100%" height="{_frame_height(figure)}"'
        ' style="border:0;width:100%" loading="lazy" sandbox="allow-scripts allow-popups"></iframe>'
    )


def _frame_height(figure: PublishedFigure) -> int:
    return figure.height + _FRAME_EXTRA


def snippets_html(figure: PublishedFigure, site_url: str, relative_page: str) -> str:
    """The snippets of a figure on one line of HTML; Material gives each a copy button.

    ``relative_page`` is the address of the figure's page for frames from the page that shows the snippets.
    """
    first, *others = (
        f'<p class="tg-snippet__label">{html_block(snippet.label)}</p>'
        f'<div class="highlight"><pre><code>{html_block(snippet.text)}</code></pre></div>'
        for snippet in snippets(figure, site_url)
    )
    choices = "; ".join(
        f"<code>{html_block(parameter.name)}</code>: "
        + ", ".join(f"<code>{html_block(option)}</code>" for option in parameter.options)
        for parameter in figure.parameters
    )
    offered = f"<p>Choices by query: {choices}.</p>" if choices else ""
    about = f'<p><a href="{relative_page}">{html_block(figure.title)}</a>. {html_block(figure.summary)}</p>'
    more = f"<details><summary>Pictures, Markdown, oEmbed, data</summary>{''.join(others)}</details>"
    return f'<section class="tg-snippets" data-search-exclude>{about}{offered}{first}{more}</section>'
