"""The addresses and anchors of an HTML file: those that the browser fetches and those that readers follow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

# Element → attributes whose address the browser fetches by itself.
_LOADED = {
    "script": ("src",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",), "embed": ("src",),
    "object": ("data",), "audio": ("src",), "video": ("src", "poster"), "track": ("src",), "input": ("src",),
    "link": ("imagesrcset",), "image": ("href", "xlink:href"), "use": ("href", "xlink:href"), "a": ("ping",),
    "body": ("background",),
}  # fmt: skip
# Element → attributes whose address a reader follows.
_LINKED = {
    "a": ("href",), "area": ("href",), "form": ("action",), "button": ("formaction",), "input": ("formaction",),
    "blockquote": ("cite",), "q": ("cite",),
}  # fmt: skip
_LISTS = {"srcset", "imagesrcset"}  # several addresses, each with a width or a density
# Kinds of <link> that only name an address.
_NAMING_LINKS = {"canonical", "alternate", "prev", "next", "author", "license", "me", "edit", "search"}
# Properties in <meta> with addresses that other sites fetch, which must be complete.
_SHARED = {"og:image", "og:image:secure_url", "og:url", "twitter:image"}
CSS_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")


@dataclass
class BuiltPage:
    """Addresses and anchors of one HTML file.

    Attributes:
        linked: addresses that a reader can follow, with their lines.
        loaded: addresses that the browser fetches, with their lines.
        shared: addresses in ``<meta>`` that other sites fetch when the page is shared, with their lines.
        anchors: ids and names that a fragment can lead to.
        repeated: ids that occur more than once.
    """

    linked: list[tuple[int, str]] = field(default_factory=list)
    loaded: list[tuple[int, str]] = field(default_factory=list)
    shared: list[tuple[int, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)


def read_page(path: Path) -> BuiltPage:
    """Parse one HTML file."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = BuiltPage()
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        line, page = self.getpos()[0], self.page
        self._note_anchors(tag, values)
        page.linked += [(line, values[name]) for name in _LINKED.get(tag, ()) if name in values]
        loaded = [address for name in _LOADED.get(tag, ()) for address in _addresses(name, values.get(name))]
        page.loaded += [(line, address) for address in (*loaded, *CSS_ADDRESS.findall(values.get("style", "")))]
        if tag == "link" and "href" in values:
            naming = set(values.get("rel", "").lower().split()) <= _NAMING_LINKS
            (page.linked if naming else page.loaded).append((line, values["href"]))
        if tag == "meta":
            self._note_meta(line, values)
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.page.loaded += [(self.getpos()[0], address) for address in CSS_ADDRESS.findall(data)]

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False

    def _note_anchors(self, tag: str, values: dict[str, str]) -> None:
        if "id" in values:
            if values["id"] in self.page.anchors:
                self.page.repeated.add(values["id"])
            self.page.anchors.add(values["id"])
        if tag == "a" and "name" in values:
            self.page.anchors.add(values["name"])

    def _note_meta(self, line: int, values: dict[str, str]) -> None:
        content = values.get("content", "")
        if values.get("property", values.get("name", "")).lower() in _SHARED:
            self.page.shared.append((line, content))
        if values.get("http-equiv", "").lower() == "refresh" and "=" in content:
            self.page.linked.append((line, content.partition("=")[2].strip(" '\"")))


def _addresses(attribute: str, value: str | None) -> list[str]:
    if value is None:
        return []
    if attribute not in _LISTS:
        return [value]
    return [part.split()[0] for part in value.split(",") if part.split()]
