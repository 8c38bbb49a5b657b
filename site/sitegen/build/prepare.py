"""The step before MkDocs: read the results, render the figures, and write every other generated asset.

All of it goes into two folders of the theme that MkDocs publishes and git ignores; docs/ has only handwritten pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pandas as pd

from sitegen.documents.number_rows import quoted_numbers, quoted_runs, write_rows
from sitegen.documents.pages import Page, read_pages
from sitegen.documents.posts import POSTS_FOLDER, Pin, pin_id, pin_of
from sitegen.embedding.social import write_icons
from sitegen.figures import FIGURES, Figure
from sitegen.figures.publication import LIVE_FOLDER, WITH_LOCAL_ROWS, PublishedFigure
from sitegen.figures.render import begin_figure
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.playground.publish import publish_playground
from sitegen.rows.choice import EVERYTHING, Choice
from sitegen.rows.results import Results, load_results
from sitegen.text.drawing import second_process
from sitegen.text.fonts import font_faces
from sitegen.text.palette import css_variables
from sitegen.text.pictures import FONTS, font_face
from sitegen.text.site_folders import CACHE, GENERATED, GENERATED_URL, THEME

PREPARED = "prepared"  # key of a build's Prepared in MkDocs' configuration (extra)

Finish = Callable[[], PublishedFigure | None]
Begin = Callable[..., Finish]  # begin_figure, and how it draws


@dataclass(frozen=True)
class Prepared:
    """The macros' input: results, and figures by name (None for one that has nothing to plot).

    Attributes:
        figures: those of pages.
        embedded: those for other sites, which have no local rows unless a run was asked for.
        pages: the handwritten pages.
        posts: the input of posts that pin runs, by their pins.
    """

    quoted_rows: QuotedRows
    figures: dict[str, PublishedFigure | None]
    embedded: dict[str, PublishedFigure] = field(default_factory=dict)
    pages: tuple[Page, ...] = ()
    posts: dict[Pin, Prepared] = field(default_factory=dict)

    @property
    def framed(self) -> list[PublishedFigure]:
        """The figures that have a page for frames: those for other sites, and those of pages that differ from them."""
        shown = (figure for figure in self.figures.values() if figure is not None)
        return [*{figure.folder: figure for figure in (*self.embedded.values(), *shown)}.values()]


def prepare(root: Path, results: Path, site: str = "", choice: Choice = EVERYTHING) -> Prepared:
    """Generate every asset of a build. Figures are drawn in a process of their own while everything else is done here.

    Args:
        root: the checkout.
        results: the results folder; one that does not exist holds no rows.
        site: the site's address, for the words in pictures; empty if it has none.
        choice: of the rows that figures draw; one that has no such rows draws all.

    Raises:
        ConfigError: there are no rows of the choice.
        ResultsError: a results file cannot be used.
        SiteError: a figure cannot be drawn.
    """
    loaded = load_results(results)
    loaded = loaded.published if choice.public else loaded
    choice.check(loaded)
    public, pages = choice.to_embed(loaded), read_pages(root / "docs")
    quoted_rows, generated = QuotedRows(loaded), root / GENERATED
    with second_process() as start:
        begin = partial(begin_figure, cache=root / CACHE, site=site, start=start)
        begun = {name: _begin_both(begin, root, figure, loaded, public, choice) for name, figure in FIGURES.items()}
        posts = begin_posts(begin, pages, loaded, generated)
        generated.mkdir(parents=True, exist_ok=True)
        (generated / "palette.css").write_text(css_variables(), encoding="utf-8")
        (generated / "pages.css").write_text(css_variables() + font_faces(), encoding="utf-8")
        # A sandboxed frame has no origin and cannot load fonts, so this style sheet contains its font.
        (generated / "chart-font.css").write_text(font_face() + "\n", encoding="utf-8")
        write_icons(public, generated, FONTS)
        publish_playground(root, generated, quoted_rows)
        quoted = {(): quoted_rows} | {pin: rows for pin, (rows, _) in posts.items()}
        write_rows(loaded, quoted_runs(quoted_numbers(pages), quoted), generated)
        prepared = Prepared(
            quoted_rows,
            _finished({name: shown for name, (shown, _) in begun.items()}),
            {name: drawn for name, (_, for_others) in begun.items() if (drawn := for_others()) is not None},
            pages,
            {pin: Prepared(rows, _finished(figures)) for pin, (rows, figures) in posts.items()},
        )
    _remove_stale(root / THEME, {figure.folder for figure in prepared.framed})
    return prepared


def _begin_both(
    begin: Begin, root: Path, figure: Figure, results: Results, public: Results, choice: Choice
) -> tuple[Finish, Finish]:
    """A figure as pages show it and as other sites do; the two are one unless there are local rows in it."""

    def rows_of(found: Results) -> pd.DataFrame:
        chosen = choice.rows(figure.rows, found)
        return figure.rows(found) if chosen.empty else chosen

    def begun(rows: pd.DataFrame, folder: str) -> Finish:
        return begin(figure, rows, root / THEME / folder, address=folder)

    rows = rows_of(public)
    for_others = begun(rows, f"{LIVE_FOLDER}{figure.name}/")
    shown = rows if public is results else rows_of(results)
    if shown.equals(rows):
        return for_others, for_others
    return begun(shown, f"{LIVE_FOLDER}{figure.name}{WITH_LOCAL_ROWS}/"), for_others


def _finished(figures: Mapping[str, Finish]) -> dict[str, PublishedFigure | None]:
    return {name: finish() for name, finish in figures.items()}


def _remove_stale(theme: Path, folders: Collection[str]) -> None:
    """Delete the files of figures that have nothing to plot now, or that no longer exist."""
    folder = theme / LIVE_FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        if f"{LIVE_FOLDER}{path.name}/" not in folders:
            shutil.rmtree(path)


def begin_posts(
    begin: Begin, pages: Sequence[Page], results: Results, generated: Path
) -> dict[Pin, tuple[QuotedRows, dict[str, Finish]]]:
    """Begin with the posts that pin runs: each pin gets quoted rows, and figures in a folder of its own.

    Args:
        begin: starts to draw a figure.
        pages: all pages.
        results: all rows.
        generated: the folder of generated assets.
    """
    shutil.rmtree(generated / POSTS_FOLDER, ignore_errors=True)
    wanted: dict[Pin, set[str]] = {}
    for page in pages:
        if pin := pin_of(page):
            wanted.setdefault(pin, set()).update(call.name for call in page.calls if call.kind == "figure")
    begun = {}
    for pin, names in wanted.items():
        quoted_rows = QuotedRows(results.only("run_id", pin))
        folder, rows = f"{POSTS_FOLDER}/{pin_id(pin)}/", quoted_rows.results
        figures = {
            name: begin(FIGURES[name], FIGURES[name].rows(rows), generated / folder, address=GENERATED_URL + folder)
            for name in sorted(names & set(FIGURES))
        }
        begun[pin] = (quoted_rows, figures)
    return begun
