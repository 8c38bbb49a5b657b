"""The step before MkDocs: read the results, render the figures, and write every other generated asset.

All of it goes into two folders of the theme that MkDocs publishes and git ignores; docs/ has only handwritten pages.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sitegen.documents.pages import Page
from sitegen.documents.posts import POSTS_FOLDER, Pin, pin_id, pin_of
from sitegen.embedding.social import write_icons
from sitegen.figures import FIGURES
from sitegen.figures.grammar.pictures import FONTS, font_face
from sitegen.figures.publication import LIVE_FOLDER, PublishedFigure
from sitegen.figures.render import render_figure
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.playground.publish import publish_playground
from sitegen.rows.results import Results, load_results
from sitegen.text.fonts import font_faces
from sitegen.text.palette import css_variables
from sitegen.text.site_folders import CACHE, GENERATED, GENERATED_URL, THEME

PREPARED = "prepared"  # key of a build's Prepared in MkDocs' configuration (extra)


@dataclass(frozen=True)
class Prepared:
    """The macros' input: results, and the published figures by name (None for one that has nothing to plot)."""

    quoted_rows: QuotedRows
    figures: dict[str, PublishedFigure | None]


def prepare(root: Path, results: Path, site: str = "") -> Prepared:
    """Generate every asset of a build.

    Args:
        root: the checkout.
        results: the results folder; one that does not exist holds no rows.
        site: the site's address, for the words in pictures, or empty.

    Raises:
        ResultsError: a results file cannot be used.
    """
    loaded = load_results(results)
    folder = root / THEME / LIVE_FOLDER
    figures = {
        name: render_figure(figure, figure.rows(loaded), folder / name, root / CACHE, site=site)
        for name, figure in FIGURES.items()
    }
    _remove_stale(folder, figures)
    generated = root / GENERATED
    generated.mkdir(parents=True, exist_ok=True)
    (generated / "palette.css").write_text(css_variables(), encoding="utf-8")
    (generated / "pages.css").write_text(css_variables() + font_faces(), encoding="utf-8")
    # A sandboxed frame has no origin and cannot load fonts, so this style sheet contains its font.
    (generated / "chart-font.css").write_text(font_face() + "\n", encoding="utf-8")
    write_icons(loaded, generated, FONTS)
    quoted_rows = QuotedRows(loaded)
    publish_playground(root, generated, quoted_rows)
    return Prepared(quoted_rows, figures)


def _remove_stale(folder: Path, figures: dict[str, PublishedFigure | None]) -> None:
    """Delete the files of figures that have nothing to plot now, or that no longer exist."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if figures.get(path.name) is None:
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
