"""The words around a chart: findings that claim no more than their rows, and where the rows come from."""

from __future__ import annotations

import html
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from sitegen.figures import FIGURES
from sitegen.figures.grammar.pictures import picture
from sitegen.figures.grammar.words import Words, in_doubt, short_ratio, source_line
from sitegen.rows.results import load_results
from tests.sitegen import example_rows as rows
from tests.sitegen.figures.test_figures import Part

CHART = '<svg xmlns="http://www.w3.org/2000/svg" class="marks" width="760" height="300" viewBox="0 0 760 300"></svg>'


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((2.9, 3.7), "2.9 to 3.7×"),
        ((0.96, 1.1), "0.96 to 1.1× (unresolved)"),
        ((math.nan, math.nan), "3.3× (unresolved)"),
    ],
)
def test_a_value_is_its_interval_or_has_a_word(ends: tuple[float, float], words: str) -> None:
    assert in_doubt(3.3, *ends, short_ratio, level=1.0) == words


def headline(tmp_path: Path, *parts: Part, figure: str = "speedup") -> str:
    found = FIGURES[figure]
    return found.words(found.rows(load_results(rows.store(tmp_path, *parts)))).headline


def test_few_rounds_are_no_finding(tmp_path: Path) -> None:
    pair = rows.joined(rows.cell("numpy", "tiny", 8.0), rows.cell("vectorized", "tiny", 4.0))
    assert headline(tmp_path, pair) == "vectorized is 2.0× (unresolved) as fast as numpy at tiny"


def test_the_headline_is_the_best_ratio_and_that_of_the_largest_model(tmp_path: Path) -> None:
    times = {"tiny": (8.0, 2.0), "xl": (300.0, 200.0)}
    cells = [
        rows.cell(variant, preset, milliseconds, round_number=number)
        for number in range(6)
        for preset, pair in times.items()
        for variant, milliseconds in zip(("numpy", "vectorized"), pair, strict=True)
    ]
    words = "vectorized is 4.0× as fast as numpy at tiny; at 6.42 M parameters the gap narrows to 1.5×"
    assert headline(tmp_path, rows.joined(*cells)) == words


def test_a_peer_that_is_level_is_not_beaten(tmp_path: Path) -> None:
    words = headline(
        tmp_path, rows.peers("small"), rows.peers("xl", scale=12.0, torch_status="refused"), figure="peers"
    )
    assert words.startswith("Of 2 sizes, vectorized is ")


def test_the_source_names_machines_dates_and_an_address_if_there_is_one() -> None:
    plotted = pd.DataFrame(
        {
            "machine": [
                "published: A, 2 cores, aaaaaa",
                "published: A, 2 cores, aaaaaa",
                "this machine (local): B, bbbbbb",
            ],
            "measured_on": ["2026-11-29", "2026-11-23", None],
        }
    )
    line = "TinyGPT · A, 2 cores and this machine (local): B · 2026-11-23 to 2026-11-29"
    assert source_line(plotted) == line
    assert source_line(plotted, "https://example.org/tinygpt/") == f"{line} · example.org/tinygpt"
    assert source_line(pd.DataFrame({"x": [1.0]})) == "TinyGPT, computed by the library"


def test_a_picture_holds_its_words_wrapped_around_the_chart_and_escaped() -> None:
    words = Words("A finding that is long " * 8, "x < y", "somewhere & </svg>")
    drawn = picture(CHART, words)
    texts = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)</text>", drawn.svg)]
    assert " ".join(texts) == f"{words.headline.strip()} x < y somewhere & </svg>"
    assert max(map(len, texts)) < 80
    assert drawn.height == drawn.top + 300 + (drawn.height - drawn.top - 300)
    assert f'<svg y="{drawn.top}" ' in drawn.svg and drawn.top > 80
    assert drawn.svg.count("</svg>") == 2
