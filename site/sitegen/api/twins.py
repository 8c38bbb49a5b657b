"""A Markdown twin beside each page, ``PAGE/index.md``, and ``llms.txt``, the list of all of them.

The twin has what the page has, macros expanded: numbers with their links, tables, figures as pictures with their data.
Its link in the page's head says ``rel="alternate" type="text/markdown"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sitegen.api.articles import Article
from sitegen.api.markdown import to_markdown
from sitegen.figures.grammar.words import PROJECT

LLMS = "llms.txt"


def write_twins(articles: list[Article], site: Path, site_url: str, summary: str, extra: Mapping[str, str]) -> None:
    """Write the twin of every page, and ``llms.txt``.

    Args:
        summary: one sentence on the site.
        extra: other addresses for programs, from the site's root, and what is there.
    """
    for article in articles:
        (site / article.url / "index.md").write_text(to_markdown(article.content), encoding="utf-8")
    lines = [f"# {PROJECT}", "", f"> {summary}", ""]
    for heading, found in _sections(articles).items():
        lines += [f"## {heading}", "", *(_entry(article, site_url) for article in found), ""]
    lines += ["## Data", "", *(f"- [{url}]({site_url}{url}): {words}" for url, words in extra.items())]
    (site / LLMS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sections(articles: list[Article]) -> dict[str, list[Article]]:
    """Articles by the folder that they lie in, those without one first."""
    sections: dict[str, list[Article]] = {"Pages": []}
    folders = {article.url.split("/")[0] for article in articles if article.url.count("/") > 1}
    for article in articles:
        folder = article.url.split("/")[0]
        sections.setdefault(folder.capitalize() if folder in folders else "Pages", []).append(article)
    return sections


def _entry(article: Article, site_url: str) -> str:
    about = f": {article.description}" if article.description else ""
    return f"- [{article.title or article.url}]({site_url}{article.url}index.md){about}"
