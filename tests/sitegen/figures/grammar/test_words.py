"""The words around a chart: findings that claim no more than their rows, and where the rows come from."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sitegen.figures import FIGURES
from sitegen.figures.grammar.words import Words, first_machine, in_doubt, short_ratio, source_line
from sitegen.figures.render import chart_spec
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.ratios import ratio_frame
from sitegen.rows.results import TRAINING_KINDS, load_results
from sitegen.tables.peer_tables import generation_table, training_table
from sitegen.text.palette import LIGHT
from sitegen.text.pictures import picture, wrapped
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


def test_the_headline_follows_our_fastest_engine_at_each_size_and_names_it(tmp_path: Path) -> None:
    times = {"tiny": {"numpy": 8.0, "vectorized": 2.0, "compiled": 1.0}, "xl": {"numpy": 300.0, "vectorized": 200.0}}
    cells = [
        rows.cell(variant, preset, milliseconds, round_number=number)
        for number in range(6)
        for preset, engines in times.items()
        for variant, milliseconds in engines.items()
    ]
    part = rows.joined(*cells)
    words = "compiled is 8.0× as fast as numpy at tiny; at 6.42 M parameters vectorized is 1.5×"
    assert headline(tmp_path, part) == words
    quoted = QuotedRows(load_results(tmp_path))
    found = {name: str(resolve_number(name, quoted).text) for name in ("fastest.tiny", "fastest.xl")}
    assert found == {"fastest.tiny": "compiled", "fastest.xl": "vectorized"}
    for preset, engine in (("tiny", "compiled"), ("xl", "vectorized")):
        own = resolve_number(f"speedup.{engine}.numpy.{preset}", quoted)
        assert resolve_number(f"speedup.fastest.numpy.{preset}", quoted) == own


def test_the_headline_is_about_the_machine_that_the_figure_opens_with(tmp_path: Path) -> None:
    def cells(run_id: str, times: dict[str, float], **machine: Any) -> Part:
        return rows.joined(
            *(
                rows.cell(name, "tiny", time, run_id, round_number=i, **machine)
                for i in range(6)
                for name, time in times.items()
            )
        )

    ladder = {"numpy": 8.0, "vectorized": 4.0, "torch": 6.0, "torch-step": 5.0, "jax-textbook": 7.0}
    other = {"numpy": 8.0, "vectorized": 4.0, "compiled": 1.0}
    parts = cells("run-1", ladder), cells("run-2", other, machine=rows.MACHINE | {"cpu": "Other 1"})
    assert headline(tmp_path, *parts) == "compiled is 8.0× as fast as numpy at tiny"


def test_a_peer_that_is_level_is_not_beaten(tmp_path: Path) -> None:
    words = headline(
        tmp_path, rows.peers("small"), rows.peers("xl", scale=12.0, torch_status="refused"), figure="peers"
    )
    assert words == "vectorized against the fastest of PyTorch and JAX: unresolved at 2 of 2 sizes"


def six_rounds(make: Callable[..., Part], **changes: object) -> Part:
    return rows.joined(*(make(round_number=number, **changes) for number in range(6)))


def equal_arms(difference: float) -> Part:
    """An engine and its copy that differ: the machine's noise floor."""
    times = {"numpy": 8.0, "numpy#2": 8.0 * (1 + difference)}
    cells = partial(rows.cell, preset="tiny", run_id="arms")
    return rows.joined(*(six_rounds(partial(cells, name, milliseconds=time)) for name, time in times.items()))


@pytest.mark.parametrize(
    ("difference", "finding", "colour", "verdict"),
    [(0.01, "ahead", "above-2", "stable"), (0.2, "unresolved", "open", "unresolved")],
)
def test_headline_colour_prose_and_point_share_the_verdict_with_the_noise_floor(
    tmp_path: Path, difference: float, finding: str, colour: str, verdict: str
) -> None:
    results = load_results(rows.store(tmp_path, six_rounds(rows.peers), equal_arms(difference)))
    figure = FIGURES["peers"]
    plotted = figure.rows(results)
    assert f": {finding} at 1" in figure.words(plotted).headline
    (best,) = plotted[plotted["variant"] == "torch-mkl-avx512"].to_dict("records")
    assert (best["speedup_text"], best["verdict"]) == ("1.10×", verdict)
    table = training_table(results).partition("</p>")[2]  # after the key
    assert re.findall(r"tg-heat--([\w-]+)", table)[0] == colour
    said = resolve_number("over.torch-mkl-avx512.small", QuotedRows(results)).text
    assert ("unresolved" in str(said)) == (verdict == "unresolved")
    ratios = ratio_frame(results, TRAINING_KINDS, ("torch-mkl-avx512",)).set_index("variant")
    assert ratios.loc["vectorized", "verdict"] == verdict


@pytest.mark.parametrize("name", ["peers", "accelerator"])
def test_points_of_few_rounds_are_hollow(tmp_path: Path, name: str) -> None:
    figure = FIGURES[name]
    plotted = figure.rows(load_results(rows.store(tmp_path, rows.ladder(), rows.peers(), rows.accelerated())))
    drawn = plotted[(plotted["state"] == "measured") & (plotted["variant"] != "roofline")]
    assert set(drawn["verdict"]) == {"unresolved"}
    points = [layer for layer in chart_spec(figure, plotted, LIGHT)["layer"] if layer["mark"]["type"] == "point"]
    filters = {
        layer["mark"]["filled"]: json.dumps(layer["transform"]) for layer in points if "shape" in layer["encoding"]
    }
    assert "!(indexof(['stable'" in filters[False] and "!(indexof" not in filters[True]


def test_the_accelerators_headline_is_about_the_quoted_one_and_names_its_doubt(tmp_path: Path) -> None:
    other = rows.GPU | {"accelerator": "Other GPU 1"}
    first = rows.on_gpu("jax[dispatch=3]", "tiny", 1.0, "gpu-0", machine=other)
    results = load_results(rows.store(tmp_path, first, rows.ladder(), rows.accelerated()))
    words = FIGURES["accelerator"].words(FIGURES["accelerator"].rows(results)).headline
    assert QuotedRows(results).accelerator.name == "Example GPU 80GB"
    assert words.startswith("jax engine on Example GPU 80GB is faster than vectorized")
    assert words.endswith("(unresolved)")


def test_the_headline_of_generation_is_about_one_machine_and_its_verdicts(tmp_path: Path) -> None:
    other = rows.texts("other", machine=rows.MACHINE | {"cpu": "Other 1"})
    here = six_rounds(rows.texts, presets=("small", "xl"), run_id="texts-2")
    words = "Generation on Example 9000, 2 cores: JAX is fastest at small and xl"
    assert headline(tmp_path / "both", other, here, figure="generation") == words
    assert headline(tmp_path / "one", here, figure="generation") == "Generation: JAX is fastest at small and xl"
    few = rows.texts()
    assert headline(tmp_path / "few", few, figure="generation") == "Generation: the lead is unresolved at small"
    text = partial(rows.cell, preset="xl", milliseconds=9.0, run_id="level", kind="generation", tokens_per_step=256)
    two = rows.joined(*(six_rounds(partial(text, name)) for name in ("vectorized", "torch")))
    assert headline(tmp_path / "two", two, figure="generation") == "Generation: vectorized and PyTorch are level at xl"


def test_generation_opens_with_the_machine_that_wrote_at_most_presets(tmp_path: Path) -> None:
    other = rows.texts("other", presets=("small", "xl"), machine=rows.MACHINE | {"cpu": "Other 1"})
    results = load_results(rows.store(tmp_path, rows.ladder(), rows.texts(), other))
    assert first_machine(FIGURES["generation"].rows(results))["machine"].str.contains("Other 1").all()
    assert "Other 1" in generation_table(results).partition("<table")[0]
    assert resolve_number("generates.vectorized.xl", QuotedRows(results)).text == "8,000"


def test_the_source_names_machines_dates_and_an_address_if_there_is_one() -> None:
    plotted = pd.DataFrame(
        {
            "machine": [
                "published: A, 2 cores, aaaaaa",
                "published: A, 2 cores, cccccc",
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
    drawn = picture(CHART, *astuple(words))
    texts = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)</text>", drawn.svg)]
    assert " ".join(texts) == f"{words.headline.strip()} x < y somewhere & </svg>"
    assert max(map(len, texts)) < 80
    title = texts[:-2]
    assert max(map(len, title)) - min(map(len, title)) < 15, "no word is left alone on a line"
    assert all(not text.startswith("%") for text in wrapped("A step is 82 % of it. " * 9, 19, 700))
    assert drawn.height == drawn.top + 300 + (drawn.height - drawn.top - 300)
    assert f'<svg y="{drawn.top}" ' in drawn.svg and drawn.top > 80
    assert drawn.svg.count("</svg>") == 2
