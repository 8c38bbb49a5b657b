"""The articles of a built site: the content of each page, without what is only for a screen, with complete addresses.

Twins in Markdown and feeds are made from the built pages and not from their sources, because only these hold what
macros, the reference and Markdown extensions put there. Any builder will do that writes one ``<article>`` a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from sitegen.text.html_tree import Element

# Not content: what runs, what is only looked at, and controls.
_DROPPED = frozenset(
    (
        "script", "style", "template", "noscript", "button", "input", "label", "nav", "form", "select", "canvas", "svg",
    )
)  # fmt: skip
_SCREEN = frozenset({"headerlink", "md-source-file", "tg-only-dark", "md-post__back"})
_FIGURE = "tg-figure"  # its folded table repeats a file that it links to
_ADDRESSES = ("href", "src")


@dataclass(frozen=True)
class Article:
    """The content of a page: its address from the site's root, its title, description, and the element around it."""

    url: str
    title: str
    description: str
    content: Element


def read_articles(pages: Mapping[str, Element], site_url: str) -> Iterator[Article]:
    """The pages of a built site that have an article, in the order of their addresses.

    Args:
        pages: trees by the names of their files.
        site_url: the site's address, with a slash at the end, or empty.
    """
    for name, page in sorted(pages.items()):
        article = read_article(page, name.removesuffix("index.html"), site_url) if name.endswith("index.html") else None
        if article is not None:
            yield article


def read_article(page: Element, url: str, site_url: str) -> Article | None:
    """The content of a page; None for one without an ``<article>``, which only leads elsewhere.

    Relative addresses in it become complete if the site's is known.
    """
    if page.find("article") is None:
        return None
    content = _around_articles(page).without(_is_for_a_screen)
    if site_url:
        _complete(content, site_url + url)
    named = content.find("h1") or page.find("title")
    about = (meta for meta in page.walk() if meta.tag == "meta" and meta.attributes.get("name") == "description")
    description = next((meta.attributes.get("content", "") for meta in about), "")
    return Article(url, named.words if named else "", description, content)


def _around_articles(element: Element) -> Element:
    """The only article, or the element around all of several, such as the posts of an index."""
    while element.tag != "article":
        holding = [child for child in element.elements if child.find("article")]
        if len(holding) != 1:
            break
        element = holding[0]
    return element


def _is_for_a_screen(parent: Element, child: Element) -> bool:
    repeats = child.tag == "details" and _FIGURE in parent.classes
    return repeats or child.tag in _DROPPED or not _SCREEN.isdisjoint(child.classes)


def _complete(content: Element, address: str) -> None:
    for element in content.walk():
        for name in _ADDRESSES:
            value = element.attributes.get(name, "")
            if value and not urlsplit(value).scheme:
                element.attributes[name] = urljoin(address, value)
