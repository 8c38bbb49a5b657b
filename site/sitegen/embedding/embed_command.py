"""The output of ``invoke embed``: a list of all figures, or the snippets of one, live and pinned."""

from __future__ import annotations

import os
from pathlib import Path

from sitegen.embedding.pins import pin_figure, read_pins
from sitegen.embedding.snippets import snippets
from sitegen.figures import FIGURES, Figure
from sitegen.figures.publication import LIVE_FOLDER, PublishedFigure
from sitegen.figures.render import begin_figure
from sitegen.rows.choice import EVERYTHING, Choice
from sitegen.rows.results import Results, load_results
from sitegen.text.addresses import UNKNOWN_SITE, Addresses
from sitegen.text.errors import SiteError
from sitegen.text.site_folders import CACHE, THEME
from tinygpt.errors import ConfigError, unknown_name

_NO_ADDRESS = f"Write the address at which you serve the site in place of {UNKNOWN_SITE}, or name it: --address"


def figure_list() -> str:
    """Names and titles of all figures."""
    width = max(map(len, FIGURES))
    return "\n".join(f"{name:<{width}}  {figure.title}" for name, figure in FIGURES.items())


def figure_snippets(
    root: Path, results: Path, name: str, pin: bool, addresses: Addresses, choice: Choice = EVERYTHING
) -> str:
    """The snippets of a figure as text: of its current state, then of its pinned states.

    A choice of rows is pinned, because the live figure has others.

    Args:
        root: the checkout.
        results: the results folder.
        name: name of the figure.
        pin: pin the current state first, and give only the snippets of that.
        addresses: of the site and its code.
        choice: of rows; published ones by default.

    Raises:
        ConfigError: there is no such figure, run or variant, or the figure has none to choose from.
        SiteError: there is nothing to draw.
    """
    if name not in FIGURES:
        raise unknown_name("figure", name, FIGURES, "invoke embed list")
    figure, loaded = FIGURES[name], load_results(results)
    if choice:
        _check_choice(figure, choice, loaded)
    if pin or choice:
        pinned = pin_figure(root, results, name, addresses.site, choice)
        folder = os.path.relpath(root / THEME / pinned.folder)
        return f"{_text(pinned, addresses.site)}\n\nKept in {folder}: commit it, then invoke site publishes it."
    rows = choice.rows(figure.rows, choice.to_embed(loaded))
    live = begin_figure(figure, rows, root / THEME / LIVE_FOLDER / name, root / CACHE, site=addresses.site)()
    if live is None:
        raise SiteError(
            f"there is nothing to embed: figure {name!r} needs {figure.needs}, {choice.words}",
            "published rows, or those of a run",
            f"{figure.command}, then invoke results publish or invoke embed {name} --run RUN_ID",
        )
    pins = [pinned for pinned in read_pins(root).values() if pinned.name == name]
    return "\n\n".join(_text(publication, addresses.site) for publication in (live, *pins))


def _check_choice(figure: Figure, choice: Choice, results: Results) -> None:
    if not figure.needs:
        raise ConfigError(
            f"figure {figure.name!r} is computed by the library and has no run to choose",
            "a figure of measured rows",
            "invoke embed list",
        )
    if choice.variants and "variant" not in {field.name for field in figure.module.FIELDS}:
        raise ConfigError(
            f"figure {figure.name!r} has no variants to choose", "a figure of variants", "invoke embed speedup"
        )
    choice.check(results)


def _text(figure: PublishedFigure, site_url: str) -> str:
    kind = f"pinned as {figure.version}" if figure.pinned else "as the results are now"
    return "\n\n".join(
        [
            f"{figure.title}, {kind}: {site_url or UNKNOWN_SITE}{figure.folder}",
            *([] if site_url else [_NO_ADDRESS]),
            *(f"# {snippet.label}\n{snippet.text}" for snippet in snippets(figure, site_url)),
            *(f"# Choices by query\n{one.name}: {', '.join(one.options)}" for one in figure.parameters),
        ]
    )
