"""Check the built site beyond ``mkdocs build --strict``, which checks Markdown links.

These checks read the files that a browser gets: every raw ``href``, ``src``, ``srcset`` and ``<meta>``, fragments in
raw HTML, style sheets, pictures, the search index, feeds, the sitemap and every other file that has an address of this
site. Nothing may be loaded from another host.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sitegen.build.html_addresses import CSS_ADDRESS, PageAddresses, addresses_of
from sitegen.text.html_tree import Element

_HOME = "index.html"
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Suffix → patterns of the addresses that such a file loads.
_ADDRESSES = {
    ".css": (CSS_ADDRESS,),
    ".svg": (CSS_ADDRESS, re.compile(r"""\b(?:xlink:)?href\s*=\s*["']([^"']*)["']""")),
}
# Files that may name addresses of the site in full: pages (embedding snippets too), feeds, the sitemap, oEmbed.
_TEXTS = (".html", ".json", ".txt", ".webmanifest", ".xml")


@dataclass(frozen=True)
class _Site:
    """A built site and the address that it was built for.

    Attributes:
        folder: its place.
        url: complete, ending in a slash; empty if it is not known.
        names: of all files, relative to the folder.
        pages: addresses and anchors of its pages, by their names.
    """

    folder: Path
    url: str
    names: frozenset[str]
    pages: Mapping[str, PageAddresses]

    def texts(self, *suffixes: str) -> Iterator[tuple[str, str]]:
        """Names and contents of the files with one of these endings."""
        for name in sorted(self.names):
            if name.endswith(suffixes):
                yield name, (self.folder / name).read_text(encoding="utf-8")


def check_site(site: Path, pages: Mapping[str, Element], site_url: str) -> list[str]:
    """Problems of a built site, each as one line naming the file, and the line of a page.

    Args:
        site: the built folder.
        pages: the trees of its pages, by their names.
        site_url: the address it was built for, with a slash at the end; empty if it is not known. Absolute paths, those
            of the 404 page, begin with its path.
    """
    names = frozenset(path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file())
    built = _Site(site, site_url, names, {name: addresses_of(page) for name, page in pages.items()})
    checks = (_check_pages, _check_styles_and_pictures, _check_search, _check_own_addresses)
    return [problem for check in checks for problem in check(built)]


def _check_pages(site: _Site) -> Iterator[str]:
    for name, page in sorted(site.pages.items()):
        for anchor in sorted(page.repeated):
            yield f"{name}: the id {anchor!r} occurs twice"
        for line, address in page.loaded:
            yield from _check_loaded(site, f"{name}, line {line}", name, address)
        for line, address in page.linked:
            if not _is_elsewhere(address) and (problem := _broken(site, address, name)):
                yield f"{name}, line {line}: {problem}"
        for line, address in page.shared:
            if not (site.url and address.startswith(site.url)):
                below = site.url or "an address that is known"
                yield f"{name}, line {line}: {address or 'an empty address'} is shared, and is not below {below}"


def _check_styles_and_pictures(site: _Site) -> Iterator[str]:
    for name, text in site.texts(*_ADDRESSES):
        patterns = _ADDRESSES[posixpath.splitext(name)[1]]
        for address in (address for pattern in patterns for address in pattern.findall(text)):
            if not address.startswith("#"):  # a gradient or clipping path of its own
                yield from _check_loaded(site, name, name, address)


def _check_loaded(site: _Site, place: str, name: str, address: str) -> Iterator[str]:
    if _is_elsewhere(address):
        yield f"{place}: loads {address} from another host"
    elif problem := _broken(site, address, name):
        yield f"{place}: {problem}"


def _check_search(site: _Site) -> Iterator[str]:
    """Check the addresses of the search index, which are relative to the home page."""
    for name, text in site.texts("search/pages.json"):
        for entry in json.loads(text)["docs"]:
            if problem := _broken(site, entry["location"], _HOME):
                yield f"{name}: {problem}"


def _check_own_addresses(site: _Site) -> Iterator[str]:
    """Check complete addresses of this site in every text file."""
    if not site.url:
        return
    own = re.compile(re.escape(site.url) + r"""[^\s"'<>\\`)\]}]*""")
    for name, text in site.texts(*_TEXTS):
        # An entity may be a part of an address, or a quotation mark that ends it.
        found = {match[0] for whole in set(own.findall(text)) if (match := own.match(html.unescape(whole)))}
        for address in sorted(found):
            relative = address.removeprefix(site.url).rstrip(".,;:")
            if problem := _broken(site, relative, _HOME):
                yield f"{name}: {problem.replace(relative, address, 1)}"


def _is_elsewhere(address: str) -> bool:
    """True if an address names a host, or a scheme such as mailto; ``data:`` is part of the page."""
    return address.startswith("//") or (_SCHEME.match(address) is not None and not address.startswith("data:"))


def _broken(site: _Site, address: str, page: str) -> str:
    """Explain why an address without a host, in a file of some name, is broken; empty if it is not."""
    if address.startswith("data:"):
        return ""
    parts = urlsplit(address)
    path = unquote(parts.path)
    if path.startswith("/"):
        base = urlsplit(site.url).path or "/"
        if not path.startswith(base):
            return f"{address} is an absolute path outside {base}"
        target = path.removeprefix(base).lstrip("/")
    else:
        target = posixpath.join(posixpath.dirname(page), path) if path else page
    target = posixpath.normpath(target)
    if target.split("/")[0] == "..":
        return f"{address} leads out of the site"
    if target not in site.names:
        target = posixpath.normpath(posixpath.join(target, _HOME))
    if target not in site.names:
        return f"{address} leads nowhere"
    fragment = unquote(parts.fragment)
    # Fragments of Material (#__tabbed, #only-light …) are states, not places.
    is_place = bool(fragment) and not fragment.startswith("__") and target.endswith(".html")
    if is_place and fragment not in site.pages[target].anchors:
        return f"{address} names an anchor that {target} does not have"
    return ""
