"""Figures as files: SVG in light and dark, PNG, the specification as Vega-Lite and as Vega, the plotted rows.

Pictures have the figure's words in them; pages write them around the chart. Specifications are compiled to Vega, so
that pages need not load Vega-Lite. Drawing (``sitegen.text.drawing``) takes time, so it is done for the light theme
alone: the dark one only exchanges colours.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from types import MappingProxyType
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from altair.utils.schemapi import debug_mode

from bench.records.export import csv_bytes
from sitegen.figures import Figure
from sitegen.figures.axes import HEIGHT
from sitegen.figures.fields import TABLE, Field, is_missing
from sitegen.figures.publication import LIVE_FOLDER, Parameter, PublishedFigure, TableBehind
from sitegen.rows.results import row_dicts
from sitegen.text.drawing import STATIC_WIDTH, Start, in_this_process
from sitegen.text.errors import SiteError
from sitegen.text.escape import json_text
from sitegen.text.palette import DARK, LIGHT, Theme, chart_config, in_dark
from sitegen.text.pictures import embed_font
from tinygpt.terminal.visible import one_line, visible_text

TABLE_ROWS = 400  # more are in the CSV
_MENUS = ("select", "radio")  # inputs that figure.js draws
_DIGITS = 5  # of a number in a specification, finer than a pixel; the files with rows have all digits
_VEGA_LITE = ".".join(alt.VEGALITE_VERSION.split(".")[:2])


def begin_figure(
    figure: Figure,
    rows: pd.DataFrame,
    folder: Path,
    cache: Path,
    address: str = "",
    site: str = "",
    start: Start = in_this_process,
) -> Callable[[], PublishedFigure | None]:
    """Start to draw a figure; return a function that waits for it, and writes its files when it is first called.

    That function returns None, and writes nothing, if there are no rows.

    Args:
        figure: to draw.
        rows: its rows.
        folder: for the files.
        cache: keeps pictures and compiled specifications between builds.
        address: of the folder in the site, with a slash at the end; that of the live figure when empty.
        site: the site's address, for the words in pictures; empty if it has none.
        start: begins a drawing.

    Raises:
        SiteError: the figure has an input that pages cannot show.
    """
    if rows.empty:
        return lambda: None
    rows = visible_rows(rows)
    spec = chart_spec(figure, rows, LIGHT)
    words = figure.words(rows, site)
    drawing = start(json.dumps(spec, sort_keys=True), _VEGA_LITE, astuple(words), cache)

    @functools.cache
    def finish() -> PublishedFigure:
        drawn = drawing()
        picture, svg = drawn.picture, embed_font(drawn.picture.svg)
        dark = drawn.vega.decode().replace(f'"theme":"{LIGHT.name}"', f'"theme":"{DARK.name}"')
        content = {
            "csv": csv_bytes(rows),
            "parquet": _parquet(rows),
            "json": json_text(spec).encode(),
            "vega.json": drawn.vega,
            "dark.vega.json": in_dark(dark).encode(),
            "light.svg": svg.encode(),
            "dark.svg": in_dark(svg).encode(),
            "png": drawn.png,
        }
        digest = hashlib.sha256()
        folder.mkdir(parents=True, exist_ok=True)
        for kind, data in sorted(content.items()):
            (folder / f"{figure.name}.{kind}").write_bytes(data)
            digest.update(data)
        return PublishedFigure(
            name=figure.name,
            title=figure.title,
            words=words,
            summary=figure.summary,
            description=spec["description"],
            folder=address or f"{LIVE_FOLDER}{figure.name}/",
            files=MappingProxyType({kind: f"{figure.name}.{kind}" for kind in content}),
            version=digest.hexdigest()[:12],
            width=picture.width,
            height=picture.chart,
            above=picture.top,
            below=picture.height - picture.top - picture.chart,
            parameters=_parameters(figure.name, spec),
            table=_table_behind(figure, rows),
        )

    return finish


def visible_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Make control characters and changes of direction visible in every text, because names come from results."""
    shown = rows.copy()
    for name in shown.columns:
        if any(isinstance(value, str) for value in shown[name]):
            shown[name] = [visible_text(value, keep="") if isinstance(value, str) else value for value in shown[name]]
    return shown


def chart_spec(figure: Figure, rows: pd.DataFrame, theme: Theme, validate: bool = False) -> dict[str, Any]:
    """A figure's complete Vega-Lite specification in one theme, data inlined; there must be rows.

    ``validate`` has Altair check it against Vega-Lite's schema, which takes longer than everything else here.
    """
    data = _Datasets()
    alt.data_transformers.register("sitegen", data)
    # Altair otherwise also checks every part of the chart as it is made.
    with debug_mode(False), alt.data_transformers.enable("sitegen"):
        spec: dict[str, Any] = figure.module.chart(rows, theme).to_dict(validate=validate)
    spec.pop("$schema", None)  # a link that nothing needs, on a page that loads nothing from elsewhere
    spec["datasets"] = _data_of_use(data.records, spec)
    spec["config"] = chart_config(theme)
    selections = [parameter["name"] for parameter in spec.get("params", []) if "select" in parameter]
    # Legends and names of lines are laid out by ``room``; figure.js sets it to the container's width, and ``pointed``
    # to the line at which the reader points.
    shared = [{"name": "room", "value": STATIC_WIDTH}, {"name": "pointed", "value": ""}]
    spec["params"] = [*spec.get("params", []), *shared]
    headlines = _headlines(figure, rows, spec["params"])
    spec = {"width": "container", "height": HEIGHT} | spec
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["description"] = figure.describe(rows)
    spec["usermeta"] = {"figure": figure.name, "theme": theme.name, "selections": selections, "headlines": headlines}
    return spec


def _headlines(figure: Figure, rows: pd.DataFrame, parameters: list[dict[str, Any]]) -> dict[str, str]:
    """The finding of each machine that a reader can choose, but for that of the one that the figure opens with."""
    choices = [parameter for parameter in parameters if parameter["name"] == "machine" and "bind" in parameter]
    return {
        machine: figure.module.headline(rows[rows["machine"].fillna("").isin(["", machine])])
        for choice in choices
        for machine in choice["bind"]["options"]
        if machine != choice["value"]
    }


class _Datasets:
    """Altair's hook for the data of layers: converts each frame once, however many layers draw it.

    Attributes:
        records: the rows of the frames, by the names that the specification has for them.
    """

    def __init__(self) -> None:
        self.records: dict[str, Any] = {}
        self._frames: list[pd.DataFrame] = []

    def __call__(self, frame: Any, /, *_: Any, **__: Any) -> dict[str, str]:
        position = next((place for place, known in enumerate(self._frames) if known is frame), len(self._frames))
        name = f"rows_{position + 1}"
        if name not in self.records:
            self._frames.append(frame)
            self.records[name] = alt.to_values(frame)["values"]
        return {"name": name}


def _data_of_use(datasets: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """Drop the columns that a specification does not use, and the digits that cannot be seen."""
    named = set(re.findall(r"\w+", json.dumps(spec)))

    def value(found: Any) -> Any:
        if isinstance(found, float):
            # pandas marks an absent text as NaN, which JSON does not have.
            return float(f"{found:.{_DIGITS}g}") if found == found else None
        return found

    return {
        name: [{key: value(found) for key, found in record.items() if key in named} for record in records]
        for name, records in datasets.items()
    }


def _parameters(figure: str, spec: dict[str, Any]) -> tuple[Parameter, ...]:
    """The parameters of a specification that have a menu."""
    found = []
    for parameter in spec["params"]:
        bind = parameter.get("bind")
        if not isinstance(bind, dict) or "input" not in bind:  # unbound, or bound to a legend or to scales
            continue
        if bind["input"] not in _MENUS:
            raise SiteError(
                f"figure {figure!r} binds {parameter['name']!r} to the input {bind['input']!r}",
                " or ".join(_MENUS),
                "invoke site, after binding it to a menu",
            )
        label = str(bind.get("name", parameter["name"])).strip()
        options = tuple(str(option) for option in bind["options"])
        found.append(Parameter(parameter["name"], label, options, str(parameter.get("value", options[0]))))
    return tuple(found)


def _table_behind(figure: Figure, rows: pd.DataFrame) -> TableBehind:
    """The rows in the formats of the figure's fields."""
    fields = [field for field in figure.module.FIELDS if TABLE in field.shown]

    def cell(field: Field, value: Any) -> tuple[str, float | None]:
        number = isinstance(value, int | float) and not is_missing(value)
        return one_line(field.cell(value), 400), value if number else None

    return TableBehind(
        tuple(field.title for field in fields),
        tuple(
            tuple(cell(field, record[field.name]) for field in fields)
            for record in row_dicts(figure.tabulated(rows).head(TABLE_ROWS))
        ),
    )


def _parquet(rows: pd.DataFrame) -> bytes:
    """The rows as Parquet, without pandas' metadata, so that the bytes depend on the rows alone."""
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
