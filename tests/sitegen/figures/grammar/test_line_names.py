"""Names at the ends of lines: beside their line where there is room, and never on each other."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import altair as alt
import pandas as pd
import pytest
import vl_convert

from sitegen.figures.grammar.line_names import GAP, LineNames, linear_level
from sitegen.text.palette import LIGHT

HEIGHT = 300


def drawn(ends: dict[str, float], width: int = 500) -> str:
    """The picture of lines over 0 to 1 that end at these values of an axis from 0 to 100."""
    rows = pd.DataFrame([{"line": name, "x": x, "y": end} for name, end in ends.items() for x in (0.0, 1.0)])
    names = LineNames("line", {name: name for name in ends})
    place = {
        "x": alt.X("x:Q", scale=alt.Scale(domain=[0, 1], range=names.range)),
        "y": alt.Y("y:Q", scale=alt.Scale(domain=[0, 100], nice=False), axis=None),
    }
    layers = names.layers(alt.Chart(rows), place, alt.value("black"), linear_level("y", 0, 100), LIGHT)
    spec = alt.layer(*layers).properties(height=HEIGHT).to_dict(validate=False)
    spec |= {"width": width, "params": [{"name": "room", "value": width}]}
    return str(vl_convert.vegalite_to_svg(json.dumps(spec), vl_version="6.4"))


def placed(ends: dict[str, float]) -> dict[str, float]:
    """Names → pixels from the top."""
    svg = drawn(ends)
    found = re.findall(r"translate\(([\d.]+),(-?[\d.]+)\)[^>]*>(line \w)</text>", svg)
    assert len({x for x, _, _ in found}) == 1  # one column
    return {name: float(y) for _, y, name in found}


def test_names_with_room_are_at_their_lines() -> None:
    tops = placed({"line a": 90.0, "line b": 50.0, "line c": 10.0})
    lowered = tops["line a"] - 0.1 * HEIGHT  # the text's baseline is below its middle
    assert tops == pytest.approx({"line a": 30 + lowered, "line b": 150 + lowered, "line c": 270 + lowered}, abs=0.1)


def test_names_of_lines_that_end_together_are_moved_apart_around_them() -> None:
    tops = placed({"line a": 50.2, "line b": 50.1, "line c": 50.0, "line d": 50.0, "line e": 5.0})
    together = sorted(top for name, top in tops.items() if name != "line e")
    assert all(after - before >= GAP - 0.1 for before, after in pairwise(together))
    assert [name for name, _ in sorted(tops.items(), key=lambda item: item[1])][:2] == ["line a", "line b"]
    middle = (together[0] + together[-1]) / 2
    assert middle == pytest.approx(tops["line e"] - 0.45 * HEIGHT, abs=2)  # as far up as down


def test_a_narrow_chart_wraps_the_names_that_it_would_cut_and_keeps_them_apart() -> None:
    name, other = "torch.compile, CUDA graph, GPU 7", "PyTorch, CUDA graph, GPU 7"
    assert f">{name}</text>" in drawn({name: 50.0, other: 50.0}, width=900)
    narrow = drawn({name: 50.2, other: 50.0}, width=340)
    words = re.findall(r"<tspan[^>]*>([^<]+)</tspan>", narrow)
    assert words == ["torch.compile,", "CUDA graph, GPU", "7", "PyTorch, CUDA", "graph, GPU 7"]
    upper, lower = (float(y) for y in re.findall(r"translate\([\d.]+,(-?[\d.]+)\)[^>]*><tspan", narrow))
    assert lower - upper > 3 * 11


@pytest.mark.parametrize("name", ["medium", "mmm", "PyTorch, compiled step"])
def test_a_name_is_whole_where_the_chart_has_room(name: str) -> None:
    assert f">{name}<" in drawn({name: 50.0}, 700)
