"""What a page may ask for: ``figure``, ``table``, ``samples``, ``number``, ``machine``, ``task``; marks; and formulas.

Everything they return is on one line: a macro can stand in a list or an admonition without breaking it. A name that
does not exist stops the build, naming page and line.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from invoke import Collection
from mkdocs.utils import get_relative_url

from sitegen.build.prepare import PREPARED, Prepared, prepare, prepare_posts
from sitegen.documents.documents import DOCUMENT_TABLES, Documents, check_documents, write_documents
from sitegen.documents.number_rows import PAGE as NUMBERS_PAGE
from sitegen.documents.number_rows import anchor_of
from sitegen.documents.outcome_links import OutcomeLinks
from sitegen.documents.pages import read_pages
from sitegen.documents.posts import Pin, pin_of_meta
from sitegen.documents.task_reference import task_html
from sitegen.embedding.embed_pages import oembed_link, snippets_html
from sitegen.embedding.pins import read_pins
from sitegen.figures import FIGURES
from sitegen.figures.figure_html import empty_figure_html, figure_html
from sitegen.numbers.number import Number
from sitegen.numbers.number_marks import MARKS
from sitegen.numbers.registry import resolve_number
from sitegen.rows.machines import machine_sentence
from sitegen.tables.gallery import gallery_cards, gallery_html
from sitegen.tables.registry import TABLES
from sitegen.tables.samples import samples_html
from sitegen.text.errors import SiteError
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import nothing_yet
from sitegen.text.maths import Maths
from sitegen.text.nowrap import NoWrap
from sitegen.text.roles import Roles
from sitegen.text.site_folders import CACHE, GENERATED
from tinygpt.errors import unknown_name

Value = TypeVar("Value")

_SHARED = "sitegen"  # where the builder's configuration keeps what pages draw from

# What the missing numbers link to: the section that lists the commands.
_MEASURE_PAGE, _MEASURE_ANCHOR = "status.md", "measure"


def define_env(env: Any, collection: Collection | None = None) -> None:
    """Register the macros with mkdocs-macros, and our extensions with Markdown.

    Results and figures are read once for the whole build. The extensions are registered here rather than in mkdocs.yml,
    which would have to import this package before it can be found in a checkout that is not installed.

    Args:
        env: the plugin's environment: ``conf`` is MkDocs' configuration, ``page`` the page being rendered.
        collection: the Invoke tasks, for their reference.
    """
    if _SHARED not in env.conf:  # Zensical comes by once for each page, MkDocs once for all
        env.conf[_SHARED] = _shared(env, collection)
        env.conf["markdown_extensions"] += [Maths(), OutcomeLinks(env.conf[_SHARED][1].targets), Roles(), NoWrap()]
    pinned, documents = env.conf[_SHARED]
    pages = PageMacros(env, pinned, documents)
    macros = (
        pages.figure,
        pages.table,
        pages.samples,
        pages.number,
        pages.machine,
        pages.task,
        pages.snippets,
        pages.gallery,
    )
    for macro in (*macros, *MARKS):
        env.macro(macro)


def _shared(env: Any, collection: Collection | None) -> tuple[dict[Pin, Prepared], Documents]:
    """What all pages draw from: results and figures by the runs that a page pins, and what people wrote, checked."""
    root, extra = Path(env.project_dir), env.conf["extra"]
    # sitegen.build.site hands over what it prepared; a builder by itself has to prepare.
    prepared = extra.get(PREPARED) or prepare(root, root / str(extra.get("results", "results")))
    pages = read_pages(root / env.conf["docs_dir"])
    try:
        pinned = prepare_posts(pages, prepared.quoted_rows.results, root / GENERATED, root / CACHE) | {(): prepared}
        quoted_rows = {pin: part.quoted_rows for pin, part in pinned.items()}
        documents = Documents(root, pages, quoted_rows, collection, str(extra.get("repository") or ""))
        check_documents(documents)
        write_documents(documents, root / GENERATED)
    except SiteError as error:
        raise SystemExit(str(error)) from None
    return pinned, documents


@dataclass(frozen=True)
class Place:
    """Where a page is.

    Attributes:
        source: its file, below the folder of documents.
        url: its address, below the site's.
    """

    source: str
    url: str


def place_of(page: Any) -> Place:
    """A page's place, from the page that MkDocs gives the macros or from Zensical's, which has no file."""
    file = getattr(page, "file", None)
    return Place(page.path, page.url) if file is None else Place(file.src_uri, file.url)


class PageMacros:
    """The macros, bound to one build's results: all of them, or for a post those of the runs that it pins."""

    def __init__(self, env: Any, pinned: Mapping[Pin, Prepared], documents: Documents) -> None:
        self._env = env
        self._pinned = pinned
        self._documents = documents

    @property
    def _pin(self) -> Pin:
        return pin_of_meta(self._env.page.meta)

    @property
    def _prepared(self) -> Prepared:
        return self._pinned[self._pin]

    def figure(self, name: str, pin: str = "") -> str:
        """An interactive figure: pictures until the live chart replaces them, downloads, and the table behind it.

        Args:
            name: of the figure.
            pin: hash of a state that was kept (``sitegen.embedding.pins``); without it, today's, or that of a post's
            runs.
        """
        published = self._look_up("figure", name, self._prepared.figures)
        if pin:
            kept = {version: one for version, one in read_pins(self._documents.root).items() if one.name == name}
            published = self._look_up(f"pinned {name}", pin, kept)
        if published is None:
            return empty_figure_html(FIGURES[name])
        page = self._env.page
        if published.embeddable:
            # The theme puts the page's figures into its head, where others look for oEmbed records.
            links = page.meta.setdefault("oembed", [])
            links.append(oembed_link(published, self._site_url()))
        return figure_html(published, lambda address: str(get_relative_url(address, place_of(page).url)))

    def table(self, name: str) -> str:
        """A generated table."""
        if name in DOCUMENT_TABLES:
            return DOCUMENT_TABLES[name](self._documents)
        return self._look_up("table", name, TABLES)(self._prepared.quoted_rows.results)

    def task(self, name: str) -> str:
        """What an Invoke task does, and its options."""
        collection = self._documents.collection
        if collection is None:
            return "<p>The tasks cannot be imported here.</p>"
        self._look_up("task", name, collection.tasks)
        return task_html(collection, name)

    def samples(self) -> str:
        """Everything the models wrote."""
        return samples_html(self._prepared.quoted_rows.results)

    def gallery(self) -> str:
        """The models that come with the package: cards, texts, and how they came about."""
        return gallery_html(gallery_cards())

    def number(self, name: str) -> str:
        """A measured figure as text, or a note that it is not measured yet."""
        try:
            found = resolve_number(name, self._prepared.quoted_rows)
        except SiteError as error:
            raise self._stop(name, str(error)) from None
        if found.text is None:
            return self._missing_number(found)
        return self._linked_number(name, found.text, found.source)

    def machine(self) -> str:
        """A sentence about the machine whose numbers the pages quote."""
        quoted = self._prepared.quoted_rows
        runs = quoted.results.runs
        if runs.empty:
            return "No machine has measured anything yet: run <code>invoke bench --suite quick</code>."
        # A post may speak of runs that have no cell: of writing text, or of training.
        return machine_sentence(runs if quoted.cells.empty else quoted.cells, runs)

    def snippets(self) -> str:
        """For every figure, what to paste to show it elsewhere."""
        url = place_of(self._env.page).url
        found = [figure for figure in self._prepared.figures.values() if figure is not None]
        if not found:
            return nothing_yet("There is no figure to embed", "invoke bench --suite quick")
        # Headings are Markdown's, so that they stand in the table of contents.
        return "\n\n".join(
            f"### {figure.name} {{ #{figure.name} }}\n\n"
            + snippets_html(figure, self._site_url(), get_relative_url(figure.folder, url))
            for figure in found
        )

    # ---- helpers ----------------------------------------------------------------------------------------

    @property
    def _docs(self) -> Path:
        return Path(self._env.project_dir, self._env.conf["docs_dir"])

    @property
    def _is_post(self) -> bool:
        return "/posts/" in place_of(self._env.page).source

    def _site_url(self) -> str:
        return str(self._env.conf["site_url"])

    def _look_up(self, kind: str, name: str, table: Mapping[str, Value]) -> Value:
        if name not in table:
            raise self._stop(name, str(unknown_name(kind, name, table, "")))  # whoever builds says what to run
        return table[name]

    def _stop(self, name: str, problem: str) -> SystemExit:
        """End the build. mkdocs-macros turns other exceptions into a page of traceback and loses the line."""
        source = place_of(self._env.page).source
        lines = (self._docs / source).read_text(encoding="utf-8").splitlines()
        line = next((number for number, text in enumerate(lines, 1) if f'"{name}"' in text or f"'{name}'" in text), 0)
        return SystemExit(f"docs/{source}, line {line}: {problem}" if line else f"docs/{source}: {problem}")

    def _link_to(self, page: str) -> str | None:
        """The address of another page from this one; None if the site has no such page.

        A post also appears, shortened, on pages of another depth, and only Markdown links follow it there: from posts
        the address is that of the Markdown file.
        """
        here = place_of(self._env.page)
        if not (self._docs / page).is_file():
            return None
        if self._is_post:
            return posixpath.relpath(page, posixpath.dirname(here.source))
        return str(get_relative_url(page.removesuffix(".md") + "/", here.url))

    def _linked_number(self, name: str, text: str, source: str) -> str:
        """A number with a link to its line in the table of numbers, where pages name it by a literal name."""
        anchor, url = anchor_of(name, self._pin), self._link_to(NUMBERS_PAGE)
        # A number and its unit stay on one line; a few answers are half a sentence.
        classes = ["tg-number", "tg-number--words"][: 1 + (text.count(" ") > 2)]
        named = f'class="{" ".join(classes)}"'
        if url is None or anchor not in self._documents.anchors:
            return f'<span {named} title="{html_attribute(source)}">{html_block(text)}</span>'
        if self._is_post:
            marks = " ".join(f".{name}" for name in classes)
            return f'[{html_block(text)}]({url}#{anchor} "{html_attribute(source)}"){{ {marks} }}'
        return f'<a {named} href="{url}#{anchor}" title="{html_attribute(source)}">{html_block(text)}</a>'

    def _missing_number(self, found: Number) -> str:
        hint, words = f"To measure it: {found.command}", html_block(found.source)
        url = self._link_to(_MEASURE_PAGE)
        if url is None:
            return f'<span class="tg-missing" title="{html_attribute(hint)}">{words}</span>'
        if self._is_post:
            return f'[{words}]({url}#{_MEASURE_ANCHOR} "{hint}")'
        return f'<a class="tg-missing" href="{url}#{_MEASURE_ANCHOR}" title="{html_attribute(hint)}">{words}</a>'
