"""The step before MkDocs: read the results, render the figures, and write every other generated asset.

All of it goes into two folders of the theme that MkDocs publishes and git ignores; docs/ has only handwritten pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from sitegen.documents.pages import Page
from sitegen.documents.posts import POSTS_FOLDER, Pin, pin_id, pin_of
from sitegen.embedding.social import write_icons
from sitegen.figures import FIGURES, Figure
from sitegen.figures.grammar.pictures import FONTS, font_face
from sitegen.figures.publication import LIVE_FOLDER, WITH_LOCAL_ROWS, PublishedFigure
from sitegen.figures.render import render_figure
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.playground.publish import publish_playground
from sitegen.rows.choice import EVERYTHING, Choice
from sitegen.rows.results import Results, load_results
from sitegen.text.fonts import font_faces
from sitegen.text.palette import css_variables
from sitegen.text.site_folders import CACHE, GENERATED, GENERATED_URL, THEME

PREPARED = "prepared"  # key of a build's Prepared in MkDocs' configuration (extra)


@dataclass(frozen=True)
class Prepared:
    """The macros' input: results, and figures by name (None for one that has nothing to plot).

    Attributes:
        figures: those of pages.
        embedded: those for other sites, which have no local rows unless a run was asked for.
    """

    quoted_rows: QuotedRows
    figures: dict[str, PublishedFigure | None]
    embedded: dict[str, PublishedFigure] = field(default_factory=dict)

    @property
    def framed(self) -> list[PublishedFigure]:
        """The figures that have a page for frames: those for other sites, and those of pages that differ from them."""
        shown = (figure for figure in self.figures.values() if figure is not None)
        return [*{figure.folder: figure for figure in (*self.embedded.values(), *shown)}.values()]


def prepare(root: Path, results: Path, site: str = "", choice: Choice = EVERYTHING) -> Prepared:
    """Generate every asset of a build.

    Args:
        root: the checkout.
        results: the results folder; one that does not exist holds no rows.
        site: the site's address, for the words in pictures; empty if it has none.
        choice: of the rows that figures draw; one that has no such rows draws all.

    Raises:
        ConfigError: there are no rows of the choice.
        ResultsError: a results file cannot be used.
    """
    loaded = load_results(results)
    loaded = loaded.published if choice.public else loaded
    choice.check(loaded)
    public = choice.to_embed(loaded)
    rendered = {name: _render_both(root, figure, loaded, public, site, choice) for name, figure in FIGURES.items()}
    prepared = Prepared(
        QuotedRows(loaded),
        {name: shown for name, (shown, _) in rendered.items()},
        {name: for_others for name, (_, for_others) in rendered.items() if for_others is not None},
    )
    _remove_stale(root / THEME, {figure.folder for figure in prepared.framed})
    generated = root / GENERATED
    generated.mkdir(parents=True, exist_ok=True)
    (generated / "palette.css").write_text(css_variables(), encoding="utf-8")
    (generated / "pages.css").write_text(css_variables() + font_faces(), encoding="utf-8")
    # A sandboxed frame has no origin and cannot load fonts, so this style sheet contains its font.
    (generated / "chart-font.css").write_text(font_face() + "\n", encoding="utf-8")
    write_icons(public, generated, FONTS)
    publish_playground(root, generated, prepared.quoted_rows)
    return prepared


def _render_both(
    root: Path, figure: Figure, results: Results, public: Results, site: str, choice: Choice
) -> tuple[PublishedFigure | None, PublishedFigure | None]:
    """A figure as pages show it and as other sites do; the two are one unless there are local rows in it."""

    def rows_of(found: Results) -> pd.DataFrame:
        chosen = choice.rows(figure.rows, found)
        return figure.rows(found) if chosen.empty else chosen

    def render(rows: pd.DataFrame, folder: str) -> PublishedFigure | None:
        return render_figure(figure, rows, root / THEME / folder, root / CACHE, folder, site)

    rows = rows_of(public)
    for_others = render(rows, f"{LIVE_FOLDER}{figure.name}/")
    shown = rows if public is results else rows_of(results)
    if shown.equals(rows):
        return for_others, for_others
    return render(shown, f"{LIVE_FOLDER}{figure.name}{WITH_LOCAL_ROWS}/"), for_others


def _remove_stale(theme: Path, folders: Collection[str]) -> None:
    """Delete the files of figures that have nothing to plot now, or that no longer exist."""
    folder = theme / LIVE_FOLDER
    for path in folder.iterdir() if folder.is_dir() else ():
        if f"{LIVE_FOLDER}{path.name}/" not in folders:
            shutil.rmtree(path)


def prepare_posts(
    pages: Sequence[Page], results: Results, generated: Path, cache: Path, site: str = ""
) -> dict[Pin, Prepared]:
    """Prepare the posts that pin runs: each pin gets quoted rows, and figures in a folder of its own.

    Args:
        pages: all pages.
        results: all rows.
        generated: the folder of generated assets.
        cache: keeps rendered pictures between builds.
        site: the site's address, or empty.
    """
    shutil.rmtree(generated / POSTS_FOLDER, ignore_errors=True)
    wanted: dict[Pin, set[str]] = {}
    for page in pages:
        if pin := pin_of(page):
            wanted.setdefault(pin, set()).update(call.name for call in page.calls if call.kind == "figure")
    prepared = {}
    for pin, names in wanted.items():
        quoted_rows = QuotedRows(results.only("run_id", pin))
        folder, rows = f"{POSTS_FOLDER}/{pin_id(pin)}/", quoted_rows.results
        figures = {
            name: render_figure(
                FIGURES[name], FIGURES[name].rows(rows), generated / folder, cache, GENERATED_URL + folder, site
            )
            for name in sorted(names & set(FIGURES))
        }
        prepared[pin] = Prepared(quoted_rows, figures)
    return prepared
