"""Figures as files: light and dark SVG, PNG, Vega-Lite JSON with its data, and CSV of exactly the plotted rows.

vl-convert renders with a font that lies beside this module, so that a picture is byte-identical wherever it is made.
Rendering is most of a build's time, therefore every picture is kept under the hash of what it depends on: the
specification, the font and the converter's version.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from sitegen.escape import json_text
from sitegen.figures import Figure
from sitegen.palette import FONT, LIGHT, THEMES, Theme, chart_config

FONTS = Path(__file__).parent / "fonts"
STATIC_WIDTH = 760  # pixels; the live chart takes its container's width instead
PNG_SCALE = 2.0


@dataclass(frozen=True)
class RenderedFigure:
    """A figure's published files, relative to the generated folder, and the words that go with them.

    Attributes:
        figure: the registry's record.
        rows: the plotted rows; empty when there is nothing to plot, and then there are no files.
        description: what the chart shows, in words.
        files: kind ("light.svg", "dark.svg", "png", "json", "dark.json", "csv") → file name.
        version: changes when any of the files does.
        width: of the static pictures, pixels.
        height: of the static pictures, pixels.
    """

    figure: Figure
    rows: pd.DataFrame
    description: str
    files: dict[str, str]
    version: str
    width: int
    height: int


def chart_spec(figure: Figure, rows: pd.DataFrame, theme: Theme) -> dict[str, Any]:
    """A figure's complete Vega-Lite specification, data inlined, in one theme.

    Args:
        figure: what to draw.
        rows: its rows; not empty.
        theme: the colours.
    """
    spec: dict[str, Any] = figure.chart(rows, theme).to_dict()
    # pandas marks an absent text as NaN, which JSON cannot say.
    spec["datasets"] = {
        name: [{key: None if value != value else value for key, value in record.items()} for record in records]
        for name, records in spec["datasets"].items()
    }
    spec.pop("$schema", None)  # a link that nothing needs, on a page that loads nothing from elsewhere
    spec["config"] = chart_config(theme)
    # Legends wrap by it; charts.js puts the container's width in its place.
    spec["params"] = [*spec.get("params", []), {"name": "room", "value": STATIC_WIDTH}]
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["description"] = figure.describe(rows)
    spec["usermeta"] = {"figure": figure.name, "theme": theme.name}
    return spec


def render_figure(figure: Figure, rows: pd.DataFrame, folder: Path, cache: Path) -> RenderedFigure:
    """Write a figure's files.

    Args:
        figure: what to draw.
        rows: its rows; when empty, nothing is written.
        folder: where the published files go.
        cache: where rendered pictures are kept between builds.
    """
    if rows.empty:
        return RenderedFigure(figure, rows, "", {}, "", 0, 0)
    content: dict[str, bytes] = {"csv": rows.to_csv(index=False, lineterminator="\n").encode()}
    for theme in THEMES:
        spec = chart_spec(figure, rows, theme)
        static = json.dumps({**spec, "width": STATIC_WIDTH}, sort_keys=True)
        content["json" if theme is LIGHT else "dark.json"] = json_text(spec).encode()
        content[f"{theme.name}.svg"] = _cached(cache, static, "svg")
        if theme is LIGHT:
            content["png"] = _cached(cache, static, "png")
    digest = hashlib.sha256()
    files = {}
    for kind, data in sorted(content.items()):
        files[kind] = f"{figure.name}.{kind}"
        (folder / files[kind]).write_bytes(data)
        digest.update(data)
    width, height = _svg_size(content["light.svg"].decode())
    return RenderedFigure(figure, rows, figure.describe(rows), files, digest.hexdigest()[:12], width, height)


def _cached(cache: Path, spec: str, kind: str) -> bytes:
    """The picture of a specification, from the cache where it was rendered before."""
    key = hashlib.sha256(f"{kind}\0{spec}\0{version('vl-convert-python')}\0{_font_hash()}".encode()).hexdigest()
    path = cache / f"{key}.{kind}"
    if path.is_file():
        return path.read_bytes()
    vl_convert.register_font_directory(str(FONTS))
    vega_lite = ".".join(alt.VEGALITE_VERSION.split(".")[:2])
    if kind == "svg":
        data = _embed_font(vl_convert.vegalite_to_svg(spec, vl_version=vega_lite)).encode()
    else:
        data = vl_convert.vegalite_to_png(spec, vl_version=vega_lite, scale=PNG_SCALE)
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)
    return data


def _font_hash() -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(FONTS.iterdir()) if path.is_file())).hexdigest()


def _embed_font(svg: str) -> str:
    """Put the font into the picture: an SVG shown as an image cannot use the page's fonts."""
    font = base64.b64encode((FONTS / "fira-sans-chart.woff2").read_bytes()).decode()
    face = f'@font-face{{font-family:"{FONT}";src:url(data:font/woff2;base64,{font}) format("woff2")}}'
    return re.sub(r"(<svg\b[^>]*>)", lambda match: f"{match.group(1)}<style>{face}</style>", svg, count=1)


def _svg_size(svg: str) -> tuple[int, int]:
    match = re.search(r'<svg\b[^>]*?\bwidth="([\d.]+)"[^>]*?\bheight="([\d.]+)"', svg)
    return (round(float(match.group(1))), round(float(match.group(2)))) if match else (STATIC_WIDTH, 400)
