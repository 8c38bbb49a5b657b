"""The plain step before MkDocs runs: read the results, render the figures, write the palette.

Everything it writes lies in one folder that the theme publishes and git ignores; docs/ holds only what people wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sitegen.figures import FIGURES
from sitegen.frames import load_results
from sitegen.numbers import Facts
from sitegen.palette import css_variables
from sitegen.render import RenderedFigure, render_figure

GENERATED = Path("site/theme/assets/generated")  # under the checkout
GENERATED_URL = "assets/generated/"  # under the site's address
CACHE = Path(".site/cache")


@dataclass(frozen=True)
class Prepared:
    """What the macros need: results, and the figures' files by name."""

    facts: Facts
    figures: dict[str, RenderedFigure]


def prepare(root: Path, results: Path) -> Prepared:
    """Generate every asset of a build.

    Args:
        root: the checkout.
        results: the results folder; one that does not exist holds no rows.

    Raises:
        ResultsError: a results file cannot be used.
    """
    loaded = load_results(results)
    folder = root / GENERATED
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        name: render_figure(figure, figure.rows(loaded), folder, root / CACHE) for name, figure in FIGURES.items()
    }
    (folder / "palette.css").write_text(css_variables(), encoding="utf-8")
    _remove_stale(folder, {"palette.css", *(name for figure in figures.values() for name in figure.files.values())})
    return Prepared(Facts(loaded), figures)


def _remove_stale(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.is_file() and path.name not in kept:
            path.unlink()
