"""Figures for other sites: a page for frames, and an oEmbed record.

The page has a strict content policy and fetches no data, so it works in a sandboxed frame, which has no origin. It
contains the specifications of both colour schemes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sitegen.embedding.frames import LINK, frame_height, frame_html
from sitegen.figures.figure_html import chart_html, measure_html, source_html
from sitegen.figures.grammar.words import PROJECT
from sitegen.figures.publication import PublishedFigure
from sitegen.text.drawing import PNG_SCALE
from sitegen.text.escape import html_attribute, html_block, json_text
from sitegen.text.pictures import keep_percent

_ICON = "generated/favicon.svg"
_STYLES = ("generated/palette.css", "generated/chart-font.css", "css/figures.css", "css/embed.css")
_SCRIPTS = ("vendor/vega-charts.min.js", "js/figure.js", "js/embed-page.js")
DEVLOG = "devlog"  # folder, set in mkdocs.yml
_UP = "../../"  # from a figure's folder to the site's root
_FIGURE_ID = re.compile(r'<figure class="tg-figure" id="figure-([a-z0-9_]+)"')


def content_policy(connect: str = "none", worker: str = "none") -> str:
    """The content policy of a page for frames; ``connect`` and ``worker`` are "none" or "self"."""
    return "; ".join(
        (
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "font-src data:",
            f"connect-src '{connect}'", f"worker-src '{worker}'", "base-uri 'none'", "form-action 'none'",
        )
    )  # fmt: skip


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
    pinned = "This is a pinned state, which does not change. " if figure.pinned else ""
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{content_policy()}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html_block(figure.words.headline)} · {PROJECT}</title>",
        f'<meta name="description" content="{html_attribute(figure.summary)}">',
        *named,
        f'<link rel="icon" href="{_UP}assets/{_ICON}">',
        *(f'<link rel="stylesheet" href="{_UP}assets/{name}">' for name in _STYLES),
        *(f'<script defer src="{_UP}assets/{name}"></script>' for name in _SCRIPTS),
        '</head><body class="tg-embed" data-md-color-scheme="default"><main>',
        f'<figure class="tg-figure" id="figure-{figure.name}">'
        f'<h1 class="tg-figure__title">{html_block(keep_percent(figure.words.headline))}</h1>{measure_html(figure)}',
        chart_html(figure, relative, ("light",)),
        f"<details><summary>How to read it, and its rows</summary><p>{html_block(figure.summary)}</p>"
        f'<div id="rows">{figure.table.html(figure.title)}</div></details>',
        f"<figcaption>{source_html(figure)} {pinned}"
        f'<a href="{link}" data-figure="{figure.name}" target="_blank" rel="noopener">{LINK}</a></figcaption>',
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
            "html": frame_html(figure, site_url, with_script=True),
            "width": figure.width,
            "height": frame_height(figure),
            "thumbnail_url": site_url + figure.address("png"),
            "thumbnail_width": round(figure.width * PNG_SCALE),
            "thumbnail_height": round(figure.picture_height * PNG_SCALE),
        }
    )
