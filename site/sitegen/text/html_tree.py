"""HTML as a tree of elements, read in one pass: what the checks, the twins in Markdown and the feeds look at.

For pages as a build writes them: values with a ``>`` or a blank in them are quoted. An element without an end tag ends
with the element around it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
_VALUE = r""""[^"]*"|'[^']*'"""
_TAG = re.compile(rf"<!--.*?-->|<[!?][^>]*>|<(/?)([a-zA-Z][^\s/>]*)((?:{_VALUE}|[^\"'>])*)>", re.DOTALL)
_ATTRIBUTE = re.compile(rf"""([^\s"'<>/=]+)(?:\s*=\s*({_VALUE}|[^\s"'<>]+))?""")
_NO_MARKUP = {tag: re.compile(rf"</{tag}\s*>", re.IGNORECASE) for tag in ("script", "style")}  # inside these


@dataclass(slots=True)
class Element:
    """An HTML element: its attributes, its children, elements and texts, in order, and the line that it begins in."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)
    line: int = 0

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
        return " ".join(self.text.split())

    def walk(self) -> Iterator[Element]:
        """This element and all inside it, in the order of the page."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += reversed([*element.elements])

    def find(self, tag: str) -> Element | None:
        """The first element of a kind, itself included."""
        return next((element for element in self.walk() if element.tag == tag), None)

    def without(self, dropped: Callable[[Element, Element], bool]) -> Element:
        """A copy without the elements inside of which ``dropped(parent, element)`` is true."""
        kept = (child for child in self.children if isinstance(child, str) or not dropped(self, child))
        children = [child if isinstance(child, str) else child.without(dropped) for child in kept]
        return Element(self.tag, {**self.attributes}, children, self.line)

    def html(self) -> str:
        """Back to HTML."""
        names = "".join(f' {name}="{html.escape(value)}"' for name, value in self.attributes.items())
        return f"<{self.tag}{names}>" + ("" if self.tag in VOID else f"{self.inner_html()}</{self.tag}>")

    def inner_html(self) -> str:
        """The inside as HTML."""
        return "".join(
            html.escape(child, quote=False) if isinstance(child, str) else child.html() for child in self.children
        )


def read_html(page: str) -> Element:
    """The tree of a page; its root is no element of the page."""
    root = Element("#root")
    opened, read, line = [root], 0, 1
    while tag := _TAG.search(page, read):
        _add_text(opened[-1], page[read : tag.start()])
        line += page.count("\n", read, tag.start())
        closes, name, attributes = tag.groups()
        read = tag.end()
        if name:
            name = name.lower()
            if closes:
                _close(opened, name)
            else:
                element = Element(name, _attributes(attributes), [], line)
                opened[-1].children.append(element)
                if name in _NO_MARKUP and (end := _NO_MARKUP[name].search(page, read)):
                    element.children.append(page[read : end.start()])
                    read = end.end()
                elif name not in VOID and not attributes.endswith("/"):
                    opened.append(element)
        line += page.count("\n", tag.start(), read)
    _add_text(opened[-1], page[read:])
    return root


def _add_text(element: Element, text: str) -> None:
    if text:
        element.children.append(html.unescape(text) if "&" in text else text)


def _close(opened: list[Element], name: str) -> None:
    """Close the innermost open element of a name, and those inside it; nothing if there is none."""
    if opened[-1].tag == name or name in {element.tag for element in opened}:
        while opened.pop().tag != name:
            pass


def _attributes(text: str) -> dict[str, str]:
    found = {}
    for name, value in _ATTRIBUTE.findall(text) if text.strip(" /") else ():
        bare = value[1:-1] if value[:1] in ('"', "'") else value
        found[name.lower()] = html.unescape(bare) if "&" in bare else bare
    return found


def read_site(folder: Path) -> dict[str, Element]:
    """The trees of all pages below a folder, by their names in it."""
    return {
        path.relative_to(folder).as_posix(): read_html(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.html")
    }
