"""Results and Markdown → ``_site/``: prepare, run MkDocs, make the output smaller, check it."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from mkdocs.commands.build import build as mkdocs_build
from mkdocs.config import load_config
from mkdocs.exceptions import MkDocsException

from sitegen.build.lighter import lighten_site
from sitegen.build.output_checks import check_site
from sitegen.build.prepare import PREPARED, Prepared, prepare
from sitegen.documents.posts import name_landmarks
from sitegen.embedding.embed_pages import write_embeds
from sitegen.embedding.pins import read_pins
from sitegen.embedding.social import CARD
from sitegen.tables.gallery import gallery_cards, write_texts
from sitegen.text.errors import SiteError, summarize_problems
from sitegen.text.site_folders import GENERATED_URL

# Folders of a checkout that a build must never empty.
_SOURCES = ("site", "docs", "results", "tests", "tinygpt", "bench", ".git", ".github", ".ci")


@dataclass(frozen=True)
class BuiltSite:
    """The outcome of a build.

    Attributes:
        output: the folder.
        n_pages: HTML pages in it.
        figures: names of the figures that had rows to plot.
    """

    output: Path
    n_pages: int
    figures: tuple[str, ...]


def build_site(root: Path, results: Path, output: Path) -> BuiltSite:
    """Build the site and check it.

    Args:
        root: the checkout, with ``mkdocs.yml``, ``docs/`` and ``site/``.
        results: the results folder, from the root if relative; one that does not exist holds no rows.
        output: the folder to build into, from the root if relative; its content is replaced.

    Raises:
        SiteError: the output folder holds something else; MkDocs failed, or warned of broken links or pages outside the
            navigation; a page uses an unknown figure, table or number; or the built pages have broken links or load
            something from another host.
        ResultsError: a results file cannot be used.
    """
    root = root.resolve()
    output = (root / output).resolve()
    refuse_unsafe_output(root, output)
    pins = read_pins(root)
    prepared = prepare(root, root / results)
    site_url = _run_mkdocs(root, root / results, prepared, output)
    figures = [figure for figure in prepared.figures.values() if figure is not None]
    write_embeds([*figures, *pins.values()], output, site_url)
    write_texts(gallery_cards(), output)
    name_landmarks(output)
    _set_search_aside(output)
    lighten_site(output)
    problems = check_site(output, site_url)
    if problems:
        raise SiteError(
            f"the built site has {len(problems)} problems: {summarize_problems(problems)}",
            "no broken links, and nothing loaded from another host",
            "invoke site, after fixing the pages",
        )
    return BuiltSite(output, sum(1 for _ in output.rglob("*.html")), tuple(figure.name for figure in figures))


def _set_search_aside(output: Path) -> None:
    """Leave Material, which loads the search index with every page, an empty one; search.js fetches the whole later."""
    index = output / "search" / "search_index.json"
    whole = json.loads(index.read_text(encoding="utf-8"))
    index.rename(index.with_name("pages.json"))
    index.write_text(json.dumps(whole | {"docs": []}), encoding="utf-8")


def refuse_unsafe_output(root: Path, output: Path) -> None:
    """Make sure that the output folder, which MkDocs empties, holds nothing but a site.

    Raises:
        SiteError: the folder is the checkout, one above it, one of its source folders, or has other files in it.
    """
    inside = output.relative_to(root).parts[:1] if output.is_relative_to(root) else ()
    if root.is_relative_to(output) or (inside and inside[0] in _SOURCES):
        raise SiteError(
            f"building into {output} would delete sources", "a folder of its own, such as _site", "invoke site"
        )
    if output.exists() and not output.is_dir():
        raise SiteError(f"{output} is a file", "a folder to build into", "invoke site")
    if output.is_dir() and any(output.iterdir()) and not (output / "sitemap.xml").exists():
        if output == root / "_site":
            return  # from an interrupted build
        raise SiteError(f"{output} holds files that are not a built site", "an empty or new folder", "invoke site")


def _run_mkdocs(root: Path, results: Path, prepared: Prepared, output: Path) -> str:
    """Run MkDocs in this process; return the address that the site was built for."""
    messages = _Messages()
    logger = logging.getLogger("mkdocs")
    logger.addHandler(messages)
    try:
        config = load_config(str(root / "mkdocs.yml"), site_dir=str(output))
        config["extra"] |= {"results": str(results), PREPARED: prepared}
        # Without a picture the feed names one called "None"; the address must be complete.
        if "rss" in config.plugins:
            config.plugins["rss"].config["image"] = f"{config['site_url']}{GENERATED_URL}{CARD}"
        config.plugins.on_startup(command="build", dirty=False)
        try:
            mkdocs_build(config)
        finally:
            config.plugins.on_shutdown()
        return str(config["site_url"])
    except SystemExit as stop:
        # Our macros exit with a sentence, strict mode and mkdocs-macros with a number.
        reason = stop.code if isinstance(stop.code, str) else messages.text()
        raise SiteError(reason or "MkDocs stopped without a reason", run="invoke site") from None
    except MkDocsException as error:
        raise SiteError(f"MkDocs: {messages.text() or error}", run="invoke site") from error
    finally:
        logger.removeHandler(messages)


class _Messages(logging.Handler):
    """Collects MkDocs' warnings, to report them in one line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())

    def text(self) -> str:
        return summarize_problems(self._lines)
