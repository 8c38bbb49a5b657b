"""Checks of the built pages: what ``mkdocs build --strict`` does not look at.

MkDocs checks Markdown links. Raw ``href``, ``src`` and ``srcset``, fragments in raw HTML, and whether a page would
load anything from another host are checked here, on the files as a browser will get them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes whose address the browser fetches by itself, by element.
_LOADED = {
    "script": ("src",), "img": ("src", "srcset"), "source": ("src", "srcset"), "iframe": ("src",), "embed": ("src",),
    "object": ("data",), "audio": ("src",), "video": ("src", "poster"), "track": ("src",), "input": ("src",),
}  # fmt: skip
# Kinds of <link> that only name an address.
_NAMING_LINKS = {"canonical", "alternate", "prev", "next", "author", "license", "me", "edit"}
_CSS_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass
class Page:
    """Addresses and anchors of one HTML file.

    Attributes:
        linked: addresses that a reader can follow, with their lines.
        loaded: addresses that the browser fetches, with their lines.
        anchors: ids and names that a fragment can lead to.
        repeated: ids that occur more than once.
    """

    linked: list[tuple[int, str]] = field(default_factory=list)
    loaded: list[tuple[int, str]] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        line = self.getpos()[0]
        if "id" in values:
            if values["id"] in self.page.anchors:
                self.page.repeated.add(values["id"])
            self.page.anchors.add(values["id"])
        if tag == "a" and "name" in values:
            self.page.anchors.add(values["name"])
        if tag in {"a", "area"} and "href" in values:
            self.page.linked.append((line, values["href"]))
        if tag == "link" and "href" in values:
            naming = set(values.get("rel", "").lower().split()) <= _NAMING_LINKS
            (self.page.linked if naming else self.page.loaded).append((line, values["href"]))
        for name in _LOADED.get(tag, ()):
            if name in values:
                self.page.loaded += [(line, address) for address in _addresses(name, values[name])]
        if "style" in values:
            self.page.loaded += [(line, address) for address in _CSS_ADDRESS.findall(values["style"])]
        self._in_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.page.loaded += [(self.getpos()[0], address) for address in _CSS_ADDRESS.findall(data)]

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False


def _addresses(attribute: str, value: str) -> list[str]:
    if attribute != "srcset":
        return [value]
    return [part.split()[0] for part in value.split(",") if part.split()]


def read_page(path: Path) -> Page:
    """Parse one HTML file."""
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader.page


def check_site(site: Path, site_url: str) -> list[str]:
    """Problems of a built site, each as one line naming file and line.

    Args:
        site: the built folder.
        site_url: the address it was built for; its path is what absolute paths (of the 404 page) begin with.
    """
    site = site.resolve()
    base = urlsplit(site_url)
    read = cache(read_page)
    problems: list[str] = []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        page = read(path)
        problems += [f"{name}: the id {anchor!r} occurs twice" for anchor in sorted(page.repeated)]
        for line, address in page.loaded:
            if _is_elsewhere(address):
                problems.append(f"{name}, line {line}: loads {address} from another host")
            else:
                problems += [f"{name}, line {line}: {text}" for text in _broken(address, path, site, base.path, read)]
        for line, address in page.linked:
            if address.startswith(site_url):
                address = address.removeprefix(f"{base.scheme}://{base.netloc}")
            if not _is_elsewhere(address):
                problems += [f"{name}, line {line}: {text}" for text in _broken(address, path, site, base.path, read)]
    return problems + list(_check_styles(site))


def _is_elsewhere(address: str) -> bool:
    """Whether an address leaves the site: another host, or a scheme such as mailto (data is part of the page)."""
    return address.startswith("//") or (_SCHEME.match(address) is not None and not address.startswith("data:"))


def _broken(address: str, page: Path, site: Path, base_path: str, read: object) -> Iterator[str]:
    """Why a local address leads nowhere, if it does."""
    if address.startswith("data:"):
        return
    parts = urlsplit(address)
    path = unquote(parts.path)
    if path.startswith("/"):
        if not path.startswith(base_path):
            yield f"{address} is an absolute path outside {base_path}"
            return
        target = site / path.removeprefix(base_path).lstrip("/")
    else:
        target = page.parent / path if path else page
    target = target.resolve()
    if not target.is_relative_to(site):
        yield f"{address} leads out of the site"
        return
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        yield f"{address} leads nowhere"
        return
    fragment = unquote(parts.fragment)
    # Material's own fragments (#__tabbed, #only-light …) are states, not places.
    if fragment and not fragment.startswith("__") and target.suffix == ".html":
        assert callable(read)
        if fragment not in read(target).anchors:
            yield f"{address} names an anchor that {target.relative_to(site).as_posix()} does not have"


def _check_styles(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.css")):
        name = path.relative_to(site).as_posix()
        for address in _CSS_ADDRESS.findall(path.read_text(encoding="utf-8")):
            if _is_elsewhere(address):
                yield f"{name}: loads {address} from another host"
            elif not address.startswith(("data:", "#")):
                target = (path.parent / unquote(urlsplit(address).path)).resolve()
                if not target.is_file():
                    yield f"{name}: {address} leads nowhere"
