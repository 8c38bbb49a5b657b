"""Results and Markdown → ``_site/``: prepare, run MkDocs, make the output smaller, check it."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mkdocs.commands.build import build as mkdocs_build
from mkdocs.config import load_config
from mkdocs.exceptions import MkDocsException

from sitegen.api.publish import publish_api
from sitegen.build.lighter import lighten_site
from sitegen.build.material import adapt_material
from sitegen.build.output_checks import check_site
from sitegen.build.prepare import PREPARED, Prepared, prepare
from sitegen.embedding.embed_pages import write_embeds
from sitegen.embedding.pins import read_pins
from sitegen.playground.frame import write_playground_frame
from sitegen.rows.choice import EVERYTHING, Choice
from sitegen.tables.gallery import gallery_cards, write_texts
from sitegen.text.addresses import Addresses
from sitegen.text.errors import SiteError, summarize_problems
from sitegen.text.html_tree import read_site

# Folders of a checkout that a build must never empty.
_SOURCES = ("site", "docs", "results", "tests", "tinygpt", "bench", ".git", ".github", ".ci")


@dataclass(frozen=True)
class BuiltSite:
    """The outcome of a build.

    Attributes:
        output: the folder.
        n_pages: HTML pages in it.
        figures: names of the figures that other sites can show.
    """

    output: Path
    n_pages: int
    figures: tuple[str, ...]


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for garbage seldom: a build keeps most of what it makes, and looking through that took a tenth of it."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@_rare_collections()
def build_site(root: Path, results: Path, output: Path, addresses: Addresses, choice: Choice = EVERYTHING) -> BuiltSite:
    """Build the site and check it.

    Args:
        root: the checkout, with ``mkdocs.yml``, ``docs/`` and ``site/``.
        results: the results folder, from the root if relative; one that does not exist holds no rows.
        output: the folder to build into, from the root if relative; its content is replaced.
        addresses: of the site and its code.
        choice: of the rows that figures draw.

    Raises:
        ConfigError: there are no rows of the choice.
        SiteError: the output folder holds something else; MkDocs failed, or warned of broken links or pages outside the
            navigation; a page uses an unknown figure, table or number; or the built pages have broken links or load
            something from another host.
        ResultsError: a results file cannot be used.
    """
    root = root.resolve()
    output = (root / output).resolve()
    refuse_unsafe_output(root, output)
    pins = read_pins(root)
    prepared = prepare(root, root / results, addresses.site, choice)
    summary = _run_mkdocs(root, root / results, prepared, output, addresses)
    adapt_material(output)
    write_embeds([*prepared.framed, *pins.values()], output, addresses.site)
    write_playground_frame(output, addresses.site)
    write_texts(gallery_cards(), output)
    lighten_site(output)
    pages = read_site(output)
    publish_api(prepared.quoted_rows.results, root / results, output, pages, addresses.site, summary)
    problems = check_site(output, pages, addresses.site)
    if problems:
        raise SiteError(
            f"the built site has {len(problems)} problems: {summarize_problems(problems)}",
            "no broken links, and nothing loaded from another host",
            "invoke site, after fixing the pages",
        )
    return BuiltSite(output, len(pages), tuple(prepared.embedded))


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


def _run_mkdocs(root: Path, results: Path, prepared: Prepared, output: Path, addresses: Addresses) -> str:
    """Run MkDocs in this process; return its sentence on the site."""
    messages = _Messages()
    logger = logging.getLogger("mkdocs")
    logger.addHandler(messages)
    try:
        config = load_config(
            str(root / "mkdocs.yml"),
            site_dir=str(output),
            site_url=addresses.site,
            repo_url=addresses.repository,
            edit_uri=addresses.edit_folder,
        )
        config["extra"] |= {"results": str(results), PREPARED: prepared}
        # Material loads the plugin's index with every page, so it stays empty; sitegen.api.search writes the whole.
        [search] = [plugin for name, plugin in config.plugins.items() if name.endswith("search")]
        config.plugins.events["page_context"].remove(search.on_page_context)
        config.plugins.on_startup(command="build", dirty=False)
        try:
            mkdocs_build(config)
        finally:
            config.plugins.on_shutdown()
        return str(config["site_description"])
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
