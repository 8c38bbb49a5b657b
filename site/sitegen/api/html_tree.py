"""A built page as a tree of elements: its article, without what is only for a screen, with complete addresses.

Twins in Markdown and feeds are made from the built pages and not from their sources, because only these hold what
macros, the reference and Markdown extensions put there. Any builder will do that writes one ``<article>`` a page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr")
)
# Not content: what runs, what is only looked at, and controls.
_DROPPED = frozenset(
    (
        "script", "style", "template", "noscript", "button", "input", "label", "nav", "form", "select", "canvas", "svg",
    )
)  # fmt: skip
_SCREEN = frozenset({"headerlink", "md-source-file", "tg-only-dark", "md-post__back"})
_FIGURE = "tg-figure"  # its folded table repeats a file that it links to
_ADDRESSES = ("href", "src")
_BLANKS = re.compile(r"\s+")


@dataclass
class Element:
    """An HTML element: its attributes, and its children, elements and texts, in order."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        """The names in ``class``."""
        return set(self.attributes.get("class", "").split())

    @property
    def elements(self) -> Iterator[Element]:
        """The children that are elements."""
        return (child for child in self.children if isinstance(child, Element))

    @property
    def text(self) -> str:
        """All text inside, as it is."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    @property
    def words(self) -> str:
        """All text inside, on one line."""
        return _BLANKS.sub(" ", self.text).strip()

    def walk(self) -> Iterator[Element]:
        """This element and all inside it, in the order of the page."""
        yield self
        for child in self.elements:
            yield from child.walk()

    def find(self, tag: str) -> Element | None:
        """The first element of a kind, itself included."""
        return next((element for element in self.walk() if element.tag == tag), None)

    def html(self) -> str:
        """Back to HTML."""
        names = "".join(f' {name}="{html.escape(value)}"' for name, value in self.attributes.items())
        return f"<{self.tag}{names}>" + ("" if self.tag in _VOID else f"{self.inner_html()}</{self.tag}>")

    def inner_html(self) -> str:
        """The inside as HTML."""
        return "".join(
            html.escape(child, quote=False) if isinstance(child, str) else child.html() for child in self.children
        )


@dataclass(frozen=True)
class Article:
    """The content of a page: its title, its description, and the element that holds all of it."""

    title: str
    description: str
    content: Element


def read_article(page: str, address: str) -> Article | None:
    """The content of a built page; None for a page without an ``<article>``, which only leads elsewhere.

    Args:
        page: the HTML.
        address: complete, of the page; relative ones in the content become complete. If it is empty, they stay.
    """
    reader = _Reader()
    reader.feed(page)
    reader.close()
    if reader.root.find("article") is None:
        return None
    content = _around_articles(reader.root)
    if address:
        _complete(content, address)
    for figure in (element for element in content.walk() if _FIGURE in element.classes):
        figure.children = [part for part in figure.children if isinstance(part, str) or part.tag != "details"]
    heading, title = content.find("h1"), reader.root.find("title")
    named = heading or title
    return Article(named.words if named else "", reader.description, content)


def _around_articles(element: Element) -> Element:
    """The only article, or the element around all of several, such as the posts of an index."""
    while element.tag != "article":
        holding = [child for child in element.elements if child.find("article")]
        if len(holding) != 1:
            break
        element = holding[0]
    return element


def _complete(content: Element, address: str) -> None:
    for element in content.walk():
        for name in _ADDRESSES:
            value = element.attributes.get(name, "")
            if value and not urlsplit(value).scheme:
                element.attributes[name] = urljoin(address, value)


class _Reader(HTMLParser):
    """Builds the tree, without elements that are dropped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("#root")
        self.description = ""
        self._open = [self.root]
        self._dropped: list[str] = []  # open elements from a dropped one on

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "meta" and values.get("name") == "description":
            self.description = values.get("content", "")
        dropped = self._dropped or tag in _DROPPED or _SCREEN & set(values.get("class", "").split())
        if dropped:
            if tag not in _VOID:
                self._dropped.append(tag)
            return
        element = Element(tag, values)
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag in self._dropped:
                while self._dropped.pop() != tag:
                    pass
        elif any(element.tag == tag for element in self._open[1:]):
            while self._open.pop().tag != tag:
                pass

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self._open[-1].children.append(data)
