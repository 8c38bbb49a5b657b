"""The plain step before MkDocs runs: read the results, render the figures, write the palette.

Everything it writes lies in two folders that the theme publishes and git ignores; docs/ holds only what people wrote.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sitegen.facts import Facts
from sitegen.figures import FIGURES
from sitegen.frames import load_results
from sitegen.palette import css_variables
from sitegen.playground import publish_playground
from sitegen.publication import LIVE_FOLDER, Publication
from sitegen.render import FONTS, font_face, render_figure
from sitegen.social import write_signs

THEME = Path("site/theme")  # under the checkout; MkDocs publishes what lies in it
GENERATED_URL = "assets/generated/"  # under the site's address
GENERATED = THEME / GENERATED_URL
CACHE = Path(".site/cache")
PREPARED = "prepared"  # where MkDocs' configuration (extra) carries what a build prepared


@dataclass(frozen=True)
class Prepared:
    """What the macros need: results, and what was published of each figure (None where there is nothing to plot)."""

    facts: Facts
    figures: dict[str, Publication | None]


def prepare(root: Path, results: Path) -> Prepared:
    """Generate every asset of a build.

    Args:
        root: the checkout.
        results: the results folder; one that does not exist holds no rows.

    Raises:
        ResultsError: a results file cannot be used.
    """
    loaded = load_results(results)
    folder = root / THEME / LIVE_FOLDER
    figures = {
        name: render_figure(figure, figure.rows(loaded), folder / name, root / CACHE)
        for name, figure in FIGURES.items()
    }
    _remove_stale(folder, figures)
    generated = root / GENERATED
    generated.mkdir(parents=True, exist_ok=True)
    (generated / "palette.css").write_text(css_variables(), encoding="utf-8")
    # A frame in a sandbox has no origin, and fonts are loaded for an origin: here the font comes with the style.
    (generated / "chart-font.css").write_text(font_face() + "\n", encoding="utf-8")
    write_signs(loaded, generated, FONTS)
    facts = Facts(loaded)
    publish_playground(root, generated, facts)
    return Prepared(facts, figures)


def _remove_stale(folder: Path, figures: dict[str, Publication | None]) -> None:
    """Delete what earlier builds left of figures that have nothing to plot now, or are no figures any more."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if figures.get(path.name) is None:
            shutil.rmtree(path)
