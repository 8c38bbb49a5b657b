"""The macros of pages: ``figure``, ``table``, ``samples``, ``number``, ``machine`` and more.

A macro returns one line, so that it can be used in a list or an admonition without breaking it. An unknown name stops
the build with an error that gives page and line.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from invoke import Collection
from mkdocs.utils import get_relative_url

from sitegen.build.prepare import PREPARED, Prepared, prepare
from sitegen.documents.documents import DOCUMENT_TABLES, Documents, check_documents
from sitegen.documents.number_rows import PAGE as NUMBERS_PAGE
from sitegen.documents.number_rows import anchor_of
from sitegen.documents.outcome_links import OutcomeLinks
from sitegen.documents.posts import Pin, pin_of_meta
from sitegen.documents.seed import asked_links, seed_table
from sitegen.embedding.embed_pages import oembed_link
from sitegen.embedding.pins import read_pins
from sitegen.embedding.snippets import FORMS, figure_snippets_html, snippets, snippets_html
from sitegen.figures import FIGURES
from sitegen.figures.figure_html import empty_figure_html, figure_html
from sitegen.numbers.number_marks import MARKS
from sitegen.numbers.registry import resolve_number
from sitegen.playground.frame import PLACE as PLAYGROUND_FRAME
from sitegen.playground.frame import playground_snippets_html
from sitegen.rows.machines import machine_sentence
from sitegen.rows.results import Results
from sitegen.tables.gallery import FOLDER as GALLERY
from sitegen.tables.gallery import gallery_cards, gallery_html
from sitegen.tables.history import changes_finding
from sitegen.tables.registry import TABLES
from sitegen.tables.samples import samples_finding, samples_html
from sitegen.tables.writing import gallery_finding, writing_html
from sitegen.text.addresses import UNKNOWN_REPOSITORY, UNKNOWN_SITE
from sitegen.text.docstrings import Docstrings
from sitegen.text.errors import SiteError
from sitegen.text.escape import html_attribute, html_block
from sitegen.text.markup import nothing_yet
from sitegen.text.maths import Maths
from sitegen.text.nowrap import NoWrap
from sitegen.text.pictures import keep_percent
from sitegen.text.site_folders import GENERATED
from sitegen.text.source_code import definitions
from tinygpt.errors import UnknownNameError, unknown_name

Value = TypeVar("Value")

_SHARED = "sitegen"  # key of the macros' input in the builder's configuration

# Sentences for headings; further names are those of figures, whose headlines they are.
FINDINGS: Mapping[str, Callable[[Results], str]] = MappingProxyType(
    {"gallery": lambda _: gallery_finding(gallery_cards()), "history": changes_finding, "samples": samples_finding}
)

_NO_ADDRESS = (
    "!!! warning\n\n    This site was built without its address. In what you copy, write the address at which it is"
    f" served in place of <code>{UNKNOWN_SITE}</code>.\n\n"
)

# Numbers that are not measured yet link here, where the commands are.
_MEASURE_COMMANDS = ("status.md", "measure")


def define_env(env: Any, collection: Collection | None = None) -> None:
    """Register the macros with mkdocs-macros, and our extensions with Markdown.

    Results and figures are read once per build. The extensions are registered here because mkdocs.yml could only name
    them if this package were installed.

    Args:
        env: the plugin's environment: ``conf`` is MkDocs' configuration, ``page`` the page being rendered.
        collection: the Invoke tasks, for their reference.
    """
    if _SHARED not in env.conf:  # Zensical calls this for each page, MkDocs once
        env.conf[_SHARED] = _shared(env, collection)
        env.conf["markdown_extensions"] += [Maths(), OutcomeLinks(env.conf[_SHARED][1].targets), Docstrings(), NoWrap()]
    page = PageMacros(env, *env.conf[_SHARED])
    for macro in (
        page.figure, page.table, page.samples, page.number, page.machine, page.snippet, page.snippets,
        page.playground_snippets, page.gallery, page.source, page.finding, page.writing, page.clone, page.seed,
        page.asked, *MARKS,
    ):  # fmt: skip
        env.macro(macro)


def _shared(env: Any, collection: Collection | None) -> tuple[dict[Pin, Prepared], Documents]:
    """Results and figures by pinned runs, and the handwritten documents, checked."""
    root, extra = Path(env.project_dir), env.conf["extra"]
    # sitegen.build.site passes what it prepared; without it, the builder was started directly.
    site = str(env.conf["site_url"] or "")
    prepared = extra.get(PREPARED) or prepare(root, root / str(extra.get("results", "results")), site)
    pinned = prepared.posts | {(): prepared}
    quoted_rows = {pin: part.quoted_rows for pin, part in pinned.items()}
    documents = Documents(root, prepared.pages, quoted_rows, collection, str(env.conf.get("repo_url") or ""))
    try:
        check_documents(documents)
        documents.targets.write_copies(root / GENERATED)
    except SiteError as error:
        raise SystemExit(str(error)) from None
    return pinned, documents


@dataclass(frozen=True)
class Place:
    """A page's place.

    Attributes:
        source: its file, relative to the folder of documents.
        url: its address, relative to the site's.
    """

    source: str
    url: str


def place_of(page: Any) -> Place:
    """The place of a page of MkDocs, or of Zensical, whose pages have no file."""
    file = getattr(page, "file", None)
    return Place(page.path, page.url) if file is None else Place(file.src_uri, file.url)


class PageMacros:
    """The macros with a build's results; a post that pins runs gets the results of those."""

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
        """An interactive figure: pictures that the live chart replaces, downloads, and the table behind it.

        Args:
            name: of the figure.
            pin: hash of a pinned state (``sitegen.embedding.pins``); without it, that of today or of a post's runs.
        """
        published = self._look_up("figure", name, self._prepared.figures)
        if pin:
            pinned = {version: one for version, one in read_pins(self._documents.root).items() if one.name == name}
            published = self._look_up(f"pinned {name}", pin, pinned)
        if published is None:
            return empty_figure_html(FIGURES[name])
        embedded = published if pin else self._prepared.embedded.get(name)
        if embedded is not None and self._site_url:
            # main.html puts these into the page's head, where oEmbed records are looked for.
            self._env.page.meta.setdefault("oembed", []).append(oembed_link(embedded, self._site_url))
        url = self._place.url
        return figure_html(published, lambda address: str(get_relative_url(address, url)))

    def table(self, name: str) -> str:
        """A generated table."""
        if name in DOCUMENT_TABLES:
            return DOCUMENT_TABLES[name](self._documents)
        return self._look_up("table", name, TABLES)(self._prepared.quoted_rows.results)

    def samples(self) -> str:
        """All sampled texts."""
        return samples_html(self._prepared.quoted_rows.results)

    def source(self, path: str, *names: str) -> str:
        """Functions or classes of a Python file of the checkout, as a folded block of code."""
        try:
            return definitions(Path(self._env.project_dir, path), names)
        except SiteError as error:
            raise self._stop(path, str(error)) from None

    def gallery(self) -> str:
        """The models that come with the package: cards, texts, and how they were trained."""
        return gallery_html(gallery_cards())

    def finding(self, name: str) -> str:
        """A computed sentence for a page's heading."""
        if name in FINDINGS:
            return html_block(FINDINGS[name](self._prepared.quoted_rows.results))
        figure = self._look_up("finding", name, self._prepared.figures)
        return html_block(keep_percent(figure.words.headline if figure else FIGURES[name].title))

    def writing(self) -> str:
        """The gallery's best model at work: a text that is typed out, and goes on when the reader asks for it."""
        return writing_html(gallery_cards(), get_relative_url(f"{GALLERY}/", self._place.url))

    def clone(self) -> str:
        """The line that fetches the code, for a block of commands."""
        return f"git clone {self._env.conf.get('repo_url') or UNKNOWN_REPOSITORY} tinygpt && cd tinygpt"

    def seed(self, caller: Callable[[], str]) -> str:
        """The original's log as a table, from the entries between the macro's two tags."""
        return seed_table(caller(), self._documents.targets.linked)

    def asked(self, *numbers: int | str) -> str:
        """Links to entries of the original's log."""
        try:
            return asked_links(self._documents.seed, numbers)
        except UnknownNameError as error:
            raise self._stop("asked", str(error)) from None

    def number(self, name: str) -> str:
        """A measured figure as text, or a note that it is not measured yet."""
        try:
            found = resolve_number(name, self._prepared.quoted_rows)
        except SiteError as error:
            raise self._stop(name, str(error)) from None
        if found.text is None:
            return self._link(found.source, f"To measure it: {found.command}", *_MEASURE_COMMANDS, "tg-missing")
        # A number and its unit stay on one line; some texts are half a sentence.
        classes = "tg-number tg-number--words" if found.text.count(" ") > 2 else "tg-number"
        anchor = anchor_of(name, self._pin)  # only of numbers that pages name literally
        page = NUMBERS_PAGE if anchor in self._documents.anchors else None
        return self._link(found.text, found.source, page, anchor, classes)

    def machine(self) -> str:
        """A sentence about the machine of the quoted numbers."""
        quoted = self._prepared.quoted_rows
        runs = quoted.results.runs
        if runs.empty:
            return "No machine has measured anything yet: run <code>invoke bench --suite quick</code>."
        # A post may pin runs without cells: of generation, or of training.
        return machine_sentence(runs if quoted.cells.empty else quoted.cells, runs)

    def snippet(self, name: str, form: str) -> str:
        """The snippets of one form for a figure (``sitegen.embedding.snippets.FORMS``)."""
        self._look_up("form", form, dict.fromkeys(FORMS))
        figure = self._prepared.embedded.get(name)
        if figure is None:
            return nothing_yet("There is no figure to embed", self._look_up("figure", name, FIGURES).command)
        return snippets_html(one for one in snippets(figure, self._site_url) if one.form == form)

    def snippets(self) -> str:
        """The snippets that embed each figure elsewhere."""
        found = [*self._prepared.embedded.values()]
        if not found:
            return nothing_yet("There is no figure to embed", "invoke bench --suite quick")
        # Headings in Markdown appear in the table of contents.
        return ("" if self._site_url else _NO_ADDRESS) + "\n\n".join(
            f"### {figure.name} {{ #{figure.name} }}\n\n"
            + figure_snippets_html(figure, self._site_url, get_relative_url(figure.folder, self._place.url))
            for figure in found
        )

    def playground_snippets(self) -> str:
        """The snippets that embed each panel of the playground elsewhere."""
        return playground_snippets_html(self._site_url, get_relative_url(PLAYGROUND_FRAME, self._place.url))

    # ---- the page, and links from it -------------------------------------------------------------------

    @property
    def _place(self) -> Place:
        return place_of(self._env.page)

    @property
    def _docs(self) -> Path:
        return Path(self._env.project_dir, self._env.conf["docs_dir"])

    @property
    def _site_url(self) -> str:
        return str(self._env.conf["site_url"] or "")

    def _look_up(self, kind: str, name: str, table: Mapping[str, Value]) -> Value:
        if name not in table:
            raise self._stop(name, str(unknown_name(kind, name, table, "")))
        return table[name]

    def _stop(self, name: str, problem: str) -> SystemExit:
        """End the build; mkdocs-macros would turn another exception into a page with a traceback, without the line."""
        source = self._place.source
        lines = (self._docs / source).read_text(encoding="utf-8").splitlines()
        line = next((number for number, text in enumerate(lines, 1) if f'"{name}"' in text or f"'{name}'" in text), 0)
        return SystemExit(f"docs/{source}, line {line}: {problem}" if line else f"docs/{source}: {problem}")

    def _link(self, text: str, title: str, page: str | None, anchor: str, classes: str) -> str:
        """A text that links to an anchor of a page, or does not link if ``page`` is None or not part of the site.

        A post also appears, shortened, on pages of another depth, and only Markdown links are adapted to them.
        """
        words, hint = html_block(text), html_attribute(title)
        if page is None or not (self._docs / page).is_file():
            return f'<span class="{classes}" title="{hint}">{words}</span>'
        here = self._place
        if "/posts/" in here.source:
            marks = " ".join(f".{name}" for name in classes.split())
            path = posixpath.relpath(page, posixpath.dirname(here.source))
            return f'[{words}]({path}#{anchor} "{hint}"){{ {marks} }}'
        url = get_relative_url(page.removesuffix(".md") + "/", here.url)
        return f'<a class="{classes}" href="{url}#{anchor}" title="{hint}">{words}</a>'
