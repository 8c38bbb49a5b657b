"""What a page may ask for: ``figure``, ``table``, ``samples``, ``number`` and ``machine``; and formulas.

Everything they return is on one line: a macro can stand in a list or an admonition without breaking it. A name that
does not exist stops the build, naming page and line.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mkdocs.utils import get_relative_url

from sitegen.errors import SiteError
from sitegen.escape import html_attribute, html_block
from sitegen.figures import FIGURES
from sitegen.machines import machine_sentence
from sitegen.markup import nothing_yet
from sitegen.maths import Maths
from sitegen.numbers import Number, resolve_number
from sitegen.prepare import GENERATED_URL, Prepared, prepare
from sitegen.render import RenderedFigure
from sitegen.samples import samples_html
from sitegen.tables import TABLES, figure_table
from tinygpt.errors import unknown_name

Value = TypeVar("Value")

# What the missing numbers link to: the section that lists the commands.
_MEASURE_PAGE, _MEASURE_ANCHOR = "status.md", "measure"


def define_env(env: Any) -> None:
    """Register the macros with mkdocs-macros, and formulas with Markdown.

    Results and figures are read once for the whole build. Formulas are registered here rather than in mkdocs.yml,
    which would have to import this package before it can be found in a checkout that is not installed.

    Args:
        env: the plugin's environment: ``conf`` is MkDocs' configuration, ``page`` the page being rendered.
    """
    root = Path(env.project_dir)
    prepared = prepare(root, root / str(env.conf["extra"].get("results", "results")))
    pages = PageMacros(env, prepared)
    for macro in (pages.figure, pages.table, pages.samples, pages.number, pages.machine):
        env.macro(macro)
    env.conf["markdown_extensions"].append(Maths())


class PageMacros:
    """The macros, bound to one build's results."""

    def __init__(self, env: Any, prepared: Prepared) -> None:
        self._env = env
        self._prepared = prepared

    def figure(self, name: str) -> str:
        """An interactive figure: pictures until the live chart replaces them, downloads, and the table behind it."""
        rendered = self._look_up("figure", name, self._prepared.figures)
        return _empty_figure(rendered) if rendered.rows.empty else self._figure_html(rendered)

    def table(self, name: str) -> str:
        """A generated table."""
        return self._look_up("table", name, TABLES)(self._prepared.facts.results)

    def samples(self) -> str:
        """Everything the models wrote."""
        return samples_html(self._prepared.facts.results)

    def number(self, name: str) -> str:
        """A measured figure as text, or a note that it is not measured yet."""
        try:
            found = resolve_number(name, self._prepared.facts)
        except SiteError as error:
            raise self._stop(name, str(error)) from None
        if found.text is None:
            return self._missing_number(found)
        source = html_attribute(found.source)
        return f'<span class="tg-number" title="{source}">{html_block(found.text)}</span>'

    def machine(self) -> str:
        """A sentence about the machine whose numbers the pages quote."""
        facts = self._prepared.facts
        if facts.cells.empty:
            return "No machine has measured anything yet: run <code>invoke bench --suite quick</code>."
        return machine_sentence(facts.cells, facts.results.runs)

    # ---- helpers ----------------------------------------------------------------------------------------

    def _look_up(self, kind: str, name: str, table: Mapping[str, Value]) -> Value:
        if name not in table:
            raise self._stop(name, str(unknown_name(kind, name, table, "invoke site")))
        return table[name]

    def _stop(self, name: str, problem: str) -> SystemExit:
        """End the build. mkdocs-macros turns other exceptions into a page of traceback and loses the line."""
        file = self._env.page.file
        lines = Path(file.abs_src_path).read_text(encoding="utf-8").splitlines()
        line = next((number for number, text in enumerate(lines, 1) if f'"{name}"' in text or f"'{name}'" in text), 0)
        return SystemExit(f"docs/{file.src_uri}, line {line}: {problem}" if line else f"docs/{file.src_uri}: {problem}")

    def _missing_number(self, found: Number) -> str:
        file = self._env.page.file
        hint = f"To measure it: {found.command}"
        words = html_block(found.source)
        target = self._env.variables["files"].get_file_from_path(_MEASURE_PAGE)
        if target is None:
            return f'<span class="tg-missing" title="{html_attribute(hint)}">{words}</span>'
        if "/posts/" in file.src_uri:
            # A post also appears, shortened, on pages of another depth; only Markdown links follow it there.
            path = posixpath.relpath(_MEASURE_PAGE, posixpath.dirname(file.src_uri))
            return f'[{words}]({path}#{_MEASURE_ANCHOR} "{hint}")'
        url = get_relative_url(target.url, file.url)
        return f'<a class="tg-missing" href="{url}#{_MEASURE_ANCHOR}" title="{html_attribute(hint)}">{words}</a>'

    def _figure_html(self, rendered: RenderedFigure) -> str:
        url = _file_url(rendered, self._env.page.file.url)
        figure, size = rendered.figure, f'width="{rendered.width}" height="{rendered.height}"'
        alt = html_attribute(rendered.description)
        pictures = "".join(
            f'<img class="tg-only-{theme}" src="{url(f"{theme}.svg")}" {size} alt="{alt}" loading="lazy">'
            for theme in ("light", "dark")
        )
        downloads = " · ".join(
            f'<a href="{url(kind)}" download="tinygpt-{rendered.files[kind]}">{label}</a>'
            for kind, label in (("light.svg", "SVG"), ("png", "PNG"), ("csv", "CSV"), ("json", "Vega-Lite"))
        )
        data = f'data-light="{rendered.files["json"]}" data-dark="{rendered.files["dark.json"]}"'
        return (
            f'<figure class="tg-figure" id="figure-{figure.name}">'
            f'<p class="tg-figure__title">{html_block(figure.title)}</p>'
            f'<div class="tg-chart" role="group" aria-label="{html_attribute(figure.title)}"'
            f' {data} data-version="{rendered.version}">{pictures}</div>'
            f"<figcaption>{html_block(figure.summary)} "
            f'<span class="tg-downloads">Download: {downloads}</span></figcaption>'
            f"<details><summary>The rows behind this figure</summary>{figure_table(figure, rendered.rows)}</details>"
            f"</figure>"
        )


def _file_url(rendered: RenderedFigure, page_url: str) -> Callable[[str], str]:
    """Kind of file → its address from a page, with a version that changes when the figure does."""
    return lambda kind: f"{get_relative_url(GENERATED_URL + rendered.files[kind], page_url)}?v={rendered.version}"


def _empty_figure(rendered: RenderedFigure) -> str:
    figure = FIGURES[rendered.figure.name]
    return (
        f'<figure class="tg-figure tg-figure--empty" id="figure-{figure.name}">'
        f'<p class="tg-figure__title">{html_block(figure.title)}</p>'
        f"{nothing_yet(f'This figure needs {figure.needs}, and there is none', figure.command)}</figure>"
    )
