"""A Markdown twin beside each page, ``PAGE/index.md``, and ``llms.txt``, the list of all of them.

The twin has what the page has, macros expanded: numbers with their links, tables, figures as pictures with their data.
Its link in the page's head says ``rel="alternate" type="text/markdown"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sitegen.api.html_tree import Article, read_article
from sitegen.api.markdown import to_markdown
from sitegen.figures.grammar.words import PROJECT
from sitegen.figures.publication import LIVE_FOLDER, PINNED_FOLDER

LLMS = "llms.txt"
_NOT_PAGES = (LIVE_FOLDER, PINNED_FOLDER, "assets/")


@dataclass(frozen=True)
class BuiltArticle:
    """A page of a built site.

    Attributes:
        path: of its HTML file.
        url: from the site's root; empty for the home page.
        article: its content.
    """

    path: Path
    url: str
    article: Article


def built_articles(site: Path, site_url: str) -> Iterator[BuiltArticle]:
    """The pages of a built site that have an article, in the order of their addresses."""
    for path in sorted(site.rglob("index.html")):
        url = path.relative_to(site).as_posix().removesuffix("index.html")
        address = site_url and site_url + url
        article = None if url.startswith(_NOT_PAGES) else read_article(path.read_text("utf-8"), address)
        if article is not None:
            yield BuiltArticle(path, url, article)


@dataclass(frozen=True)
class Link:
    """A link in a page's head to the same in another form.

    Attributes:
        type: of what it leads to.
        address: from the site's root, or from the page if it is ``beside`` it.
    """

    type: str
    address: str
    title: str
    beside: bool = False

    def html(self, page_url: str) -> str:
        """The element, in a page of this address."""
        up = "" if self.beside else "../" * page_url.count("/")
        return f'<link rel="alternate" type="{self.type}" title="{self.title}" href="{up}{self.address}">'


def add_links(pages: Iterable[BuiltArticle], links: Iterable[Link]) -> None:
    """Add links to the heads of pages."""
    wanted = [*links]
    for page in pages:
        head, end, rest = page.path.read_text("utf-8").partition("</head>")
        page.path.write_text(head + "".join(link.html(page.url) for link in wanted) + end + rest, encoding="utf-8")


def write_twins(pages: list[BuiltArticle], site: Path, site_url: str, summary: str, extra: Mapping[str, str]) -> None:
    """Write the twin of every page, and ``llms.txt``.

    Args:
        pages: of :func:`built_articles`.
        summary: one sentence on the site.
        extra: other addresses for programs, from the site's root, and what is there.
    """
    for page in pages:
        page.path.with_suffix(".md").write_text(to_markdown(page.article.content), encoding="utf-8")
    lines = [f"# {PROJECT}", "", f"> {summary}", ""]
    for heading, found in _sections(pages).items():
        lines += [f"## {heading}", "", *(_entry(page, site_url) for page in found), ""]
    lines += ["## Data", "", *(f"- [{url}]({site_url}{url}): {words}" for url, words in extra.items())]
    (site / LLMS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sections(pages: list[BuiltArticle]) -> dict[str, list[BuiltArticle]]:
    """Pages by the folder that they lie in, those without one first."""
    sections: dict[str, list[BuiltArticle]] = {"Pages": []}
    folders = {page.url.split("/")[0] for page in pages if page.url.count("/") > 1}
    for page in pages:
        folder = page.url.split("/")[0]
        sections.setdefault(folder.capitalize() if folder in folders else "Pages", []).append(page)
    return sections


def _entry(page: BuiltArticle, site_url: str) -> str:
    about = f": {page.article.description}" if page.article.description else ""
    return f"- [{page.article.title or page.url}]({site_url}{page.url}index.md){about}"
