"""The search index, in the form of Material's: an entry for each page, and one for each of its headings with an anchor.

Material's plugin would read every page once more, character by character. search.js fetches this with the first query.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sitegen.api.articles import Article
from sitegen.text.html_tree import Element

PAGES = "search/pages.json"
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_KEPT = frozenset({"p", "pre", "code", "li", "ol", "ul", "sub", "sup"})  # elements that results show
_EXCLUDED = "data-search-exclude"


@dataclass
class _Entry:
    """A page or a section: its address from the site's root, its title, and its text as HTML."""

    location: str
    title: str
    text: list[str] = field(default_factory=list)


def write_search(articles: Iterable[Article], site: Path) -> None:
    """Write the index of all pages; lists of posts are left out, because their posts are pages too."""
    entries = [
        {
            "location": entry.location,
            "title": html.escape(entry.title, quote=False),
            "text": "".join(entry.text).strip(),
        }
        for article in articles
        if article.content.tag == "article"
        for entry in _entries(article)
    ]
    (site / PAGES).write_text(json.dumps({"docs": entries}, separators=(",", ":")), encoding="utf-8")


def _entries(article: Article) -> list[_Entry]:
    entries = [_Entry(article.url, article.title)]
    _read(article.content, entries, article.url, is_code=False)
    return entries


def _read(element: Element, entries: list[_Entry], url: str, is_code: bool) -> None:
    """Append the text of an element to the last entry, and begin another one at each heading."""
    for child in element.children:
        if isinstance(child, str):
            entries[-1].text.append(html.escape(child if is_code else _on_one_line(child), quote=False))
        elif child.tag in _HEADINGS and "id" in child.attributes:
            if child.tag != "h1":
                entries.append(_Entry(f"{url}#{child.attributes['id']}", child.words))
        elif _EXCLUDED not in child.attributes:
            mark = child.tag if child.tag in _KEPT else ""
            entries[-1].text.append(f"<{mark}>" * bool(mark))
            _read(child, entries, url, is_code or child.tag == "pre")
            entries[-1].text.append(f"</{mark}>" * bool(mark))


def _on_one_line(text: str) -> str:
    words = " ".join(text.split())
    return " " * text[:1].isspace() + words + " " * (bool(words) and text[-1:].isspace())
