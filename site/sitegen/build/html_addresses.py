"""The addresses and anchors of an HTML page: those that the browser fetches and those that readers follow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sitegen.text.html_tree import Element

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
class PageAddresses:
    """Addresses and anchors of one page.

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


def addresses_of(page: Element) -> PageAddresses:
    """Collect the addresses of a page (``sitegen.text.html_tree.read_html``)."""
    found = PageAddresses()
    for element in page.walk():
        if element.attributes:
            _note_element(found, element.tag, element.line, element.attributes)
        if element.tag == "style":
            found.loaded += [(element.line, address) for address in CSS_ADDRESS.findall(element.text)]
    return found


def _note_element(found: PageAddresses, tag: str, line: int, values: dict[str, str]) -> None:
    if "id" in values:
        if values["id"] in found.anchors:
            found.repeated.add(values["id"])
        found.anchors.add(values["id"])
    if tag == "a" and "name" in values:
        found.anchors.add(values["name"])
    found.linked += [(line, values[name]) for name in _LINKED.get(tag, ()) if name in values]
    loaded = [address for name in _LOADED.get(tag, ()) for address in _addresses(name, values.get(name))]
    found.loaded += [(line, address) for address in (*loaded, *CSS_ADDRESS.findall(values.get("style", "")))]
    if tag == "link" and "href" in values:
        naming = set(values.get("rel", "").lower().split()) <= _NAMING_LINKS
        (found.linked if naming else found.loaded).append((line, values["href"]))
    if tag == "meta":
        content = values.get("content", "")
        if values.get("property", values.get("name", "")).lower() in _SHARED:
            found.shared.append((line, content))
        if values.get("http-equiv", "").lower() == "refresh" and "=" in content:
            found.linked.append((line, content.partition("=")[2].strip(" '\"")))


def _addresses(attribute: str, value: str | None) -> list[str]:
    if value is None:
        return []
    if attribute not in _LISTS:
        return [value]
    return [part.split()[0] for part in value.split(",") if part.split()]
