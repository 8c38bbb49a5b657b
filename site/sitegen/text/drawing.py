"""Draw a specification: Vega-Lite → Vega → SVG with the figure's words around it → PNG.

vl-convert draws with a font of ours, so that a picture has the same bytes on every machine. No Python runs beside it in
its process, so a build has a second one that only draws (:func:`second_process`). This module imports little, because
that process does too. Each product is cached under the hash of its input, the font and the converter's version.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

import vl_convert

from sitegen.text.errors import SiteError
from sitegen.text.escape import json_text
from sitegen.text.pictures import FONTS, Picture, lighter_svg, picture
from tinygpt.system.files import replace_file

STATIC_WIDTH = 760  # pixels; the live chart takes its container's width instead
PNG_SCALE = 2.0


@dataclass(frozen=True)
class Drawing:
    """The products of a specification: compiled to Vega, as a picture, and as a PNG of the picture."""

    vega: bytes
    picture: Picture
    png: bytes


Start = Callable[..., Callable[[], Drawing]]  # takes what `draw` takes; returns a function that waits for the outcome


def draw(spec: str, vega_lite: str, words: tuple[str, ...], cache: Path) -> Drawing:
    """Draw a figure.

    Args:
        spec: in Vega-Lite, as JSON.
        vega_lite: version of Vega-Lite.
        words: finding, measure and source.
        cache: keeps every product between builds.
    """
    vega = _cached(cache, spec, "vega.json", lambda: _compile(spec, vega_lite))
    fixed = _of_static_width(vega)
    chart = _cached(cache, fixed, "svg", lambda: lighter_svg(vl_convert.vega_to_svg(fixed)).encode())
    drawn = picture(chart.decode(), *words)
    png = _cached(cache, drawn.svg, "png", lambda: vl_convert.svg_to_png(drawn.svg, scale=PNG_SCALE))
    return Drawing(vega, drawn, png)


in_this_process: Start = partial(partial, draw)  # when the outcome is asked for


def _compile(spec: str, vega_lite: str) -> bytes:
    compiled: dict[str, Any] = vl_convert.vegalite_to_vega(spec, vl_version=vega_lite)
    compiled.pop("$schema", None)
    for data in compiled["data"]:
        if len(data.get("values", ())) > 1:
            data |= _in_columns(data)
    return json_text(compiled).encode()


def _in_columns(data: dict[str, Any]) -> dict[str, Any]:
    """Store a data set as columns, which Vega flattens to rows: equal values together compress to two thirds."""
    rows = data["values"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        "values": [columns],
        "transform": [{"type": "flatten", "fields": [*columns]}, *data.get("transform", ())],
    }


def _of_static_width(compiled: bytes) -> str:
    """A compiled specification whose width is not that of a container."""
    spec = json.loads(compiled)
    spec["signals"] = [one for one in spec["signals"] if one["name"] != "width"]
    return json.dumps({**spec, "width": STATIC_WIDTH})


# ---- the cache -----------------------------------------------------------------------------------------


def _cached(cache: Path, source: str, kind: str, make: Callable[[], bytes]) -> bytes:
    """The product of a source, from the cache if it was made before."""
    key = hashlib.sha256(f"{kind}\0{source}\0{_converter()}".encode()).hexdigest()
    path = cache / f"{key}.{kind}"
    if path.is_file():
        return path.read_bytes()
    data = make()
    replace_file(path, [data])
    return data


@lru_cache(maxsize=1)
def _converter() -> str:
    """Give the converter its fonts; return its version and the hash of the fonts."""
    vl_convert.register_font_directory(str(FONTS))
    fonts = b"".join(path.read_bytes() for path in sorted(FONTS.iterdir()) if path.is_file())
    return f"{version('vl-convert-python')}\0{hashlib.sha256(fonts).hexdigest()}"


# ---- the process that only draws ------------------------------------------------------------------------


@contextmanager
def second_process() -> Iterator[Start]:
    """Give a function that starts to draw in another process.

    It is a new process and no copy of this one, whose converter has threads: a copy would wait for them for ever.

    Raises:
        SiteError: something else ended that process.
    """
    pool = ProcessPoolExecutor(1, get_context("spawn"), _follow_parent)
    try:
        yield lambda *arguments: pool.submit(draw, *arguments).result
    except BrokenProcessPool:
        raise SiteError("the process that draws the figures was ended", "one that can finish", "invoke site") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it, in whatever way it ends."""

    def follow() -> None:
        if parent := parent_process():
            parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=follow, daemon=True).start()
