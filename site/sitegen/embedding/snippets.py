"""Snippets: the texts that show a figure on another site when pasted there, in three forms, and its data."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from sitegen.embedding.embed_pages import oembed_file
from sitegen.embedding.frames import frame_html
from sitegen.figures.publication import PublishedFigure
from sitegen.text.addresses import UNKNOWN_SITE
from sitegen.text.escape import html_block

PICTURE, FRAME, OEMBED, DATA = FORMS = ("picture", "frame", "oembed", "data")


@dataclass(frozen=True)
class Snippet:
    """A text to paste, one of ``FORMS``, and a label for it."""

    form: str
    label: str
    text: str


def snippets(figure: PublishedFigure, site_url: str) -> list[Snippet]:
    """The snippets of a figure; ``site_url`` may be empty."""
    record = "oEmbed record" if site_url else "oEmbed record, which a site that knows its address has"
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
    files = "\n".join(address[kind] for kind in ("csv", "parquet", "json", "vega.json", "dark.vega.json"))
    return [
        Snippet(PICTURE, "Picture, light or dark like the reader's system", picture),
        Snippet(PICTURE, "Picture in Markdown", f"[![{figure.words.headline}]({address['png']})]({page})"),
        Snippet(FRAME, "Frame that fits its content", frame_html(figure, site_url, with_script=True)),
        Snippet(FRAME, "Frame without the script", frame_html(figure, site_url)),
        Snippet(FRAME, "Frame in dark colours, with choices made", frame_html(figure, site_url, f"?{chosen}", True)),
        Snippet(OEMBED, "Address for sites that support oEmbed", page),
        Snippet(OEMBED, record, site_url + oembed_file(figure)),
        Snippet(DATA, "Plotted rows and specifications", files),
    ]


def snippets_html(found: Iterable[Snippet], before: str = "", fold: str = "") -> str:
    """Snippets on one line of HTML; Material gives each a copy button.

    Args:
        before: HTML above them.
        fold: heading to fold them under; not folded when empty.
    """
    blocks = "".join(
        f'<p class="tg-snippet__label">{html_block(snippet.label)}</p>'
        f'<div class="highlight"><pre><code>{html_block(snippet.text)}</code></pre></div>'
        for snippet in found
    )
    if fold:
        blocks = f"<details><summary>{fold}</summary>{blocks}</details>"
    return f'<section class="tg-snippets" data-search-exclude>{before}{blocks}</section>'


def figure_snippets_html(figure: PublishedFigure, site_url: str, relative_page: str) -> str:
    """All snippets of a figure, folded, on one line of HTML.

    ``relative_page`` is the address of the figure's page for frames from the page that shows the snippets.
    """
    choices = "; ".join(
        f"<code>{html_block(parameter.name)}</code>: "
        + ", ".join(f"<code>{html_block(option)}</code>" for option in parameter.options)
        for parameter in figure.parameters
    )
    offered = f"<p>Choices in the address: {choices}.</p>" if choices else ""
    about = f'<p><a href="{relative_page}">{html_block(figure.words.headline)}</a></p>'
    return snippets_html(snippets(figure, site_url), about + offered, "Picture, frame, oEmbed and data")
