"""Expressions in a chart's specification, evaluated."""

from __future__ import annotations

import html
import re
from typing import Any

import vl_convert


def computed(spec: dict[str, Any], field: str) -> list[str]:
    """The texts that a layered chart computes for its rows, in their order and without empty ones."""
    layers = [layer for layer in spec["layer"] if any("calculate" in step for step in layer.get("transform", ()))]
    layer = min(layers, key=lambda layer: len(layer["transform"]))  # those of names compute their places, too
    alone = {
        "datasets": spec["datasets"],
        "data": layer.get("data", spec.get("data")),
        "transform": [step for step in layer["transform"] if "calculate" in step],
        "mark": "text",
        "encoding": {"text": {"field": field, "type": "nominal"}},
    }
    svg = vl_convert.vegalite_to_svg(alone, vl_version="6.4")
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)</text>", svg)]
