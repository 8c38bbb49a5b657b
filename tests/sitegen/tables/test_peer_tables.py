from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from bench.statistics.ratios import Ratio
from sitegen.rows.ratios import quoted_ratio
from sitegen.rows.results import load_results
from sitegen.tables.peer_tables import training_table
from sitegen.tables.ratio_cells import HEAT_STEPS, heat_cell, ratio_cell
from sitegen.text.palette import THEMES
from tests import ROOT
from tests.sitegen import example_rows as rows


def ratio(*rounds: float) -> Ratio:
    ordered = sorted(rounds)
    ends = (ordered[0], ordered[-1]) if len(rounds) >= 6 else (float("nan"), float("nan"))
    return Ratio(ordered[len(rounds) // 2], *ends, rounds)


@pytest.mark.parametrize(
    ("found", "classes", "said"),
    [
        (ratio(*[1.8] * 3, *[1.9] * 3), "tg-heat tg-heat--above-5", "1.80 to 1.90×"),
        (ratio(*[1.2] * 6), "tg-heat tg-heat--above-3", "interval within rounding"),
        (ratio(*[0.9] * 3, *[0.91] * 3), "tg-heat tg-heat--below-2", "0.900 to 0.910×"),
        (ratio(*[0.9] * 3, *[1.2] * 3), "tg-heat tg-heat--open", "0.900 to 1.20×, unresolved"),
        (ratio(1.8, 1.9), "tg-heat tg-heat--open", "1.80 to 1.90×, 2 rounds, no interval"),
    ],
)
def test_a_colour_is_never_alone_and_an_unresolved_ratio_has_none(found: Ratio, classes: str, said: str) -> None:
    cell = heat_cell(found)
    assert cell.classes == classes
    assert said in unescape(str(cell.html))


def test_an_interval_that_rounding_hides_is_named() -> None:
    narrow = ratio(*[1.911] * 3, *[1.912] * 3)
    assert quoted_ratio(narrow) == "1.91× (interval within rounding)"
    assert "interval within rounding" in unescape(str(ratio_cell(narrow).html))


def test_numbers_are_readable_on_every_colour_of_the_heat_table() -> None:
    style = (ROOT / "site/theme/assets/css/site.css").read_text()
    shares = re.findall(
        r"\.tg-heat--(\w+)-(\d) \{\s*background: color-mix\(in srgb, var\(--tg-engine-(\w+)\) (\d+)%", style
    )
    assert len(shares) == 2 * (len(HEAT_STEPS) + 1)
    for theme in THEMES:
        for _, _, engine, share in shares:
            mixed = mix(theme.engines[engine], theme.background, int(share) / 100)
            assert contrast(theme.ink, mixed) >= 4.5


def luminance(color: str) -> float:
    """Relative luminance by WCAG 2."""
    channels = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color: str, other: str) -> float:
    darker, lighter = sorted((luminance(color), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mix(color: str, other: str, share: float) -> str:
    pairs = ((int(color[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def test_machines_that_measured_different_presets_have_a_table_each(tmp_path: Path) -> None:
    other = rows.MACHINE | {"cpu": "Other 1"}
    parts = rows.peers("small"), rows.peers("xl"), rows.peers("tiny", machine=other)
    table = unescape(training_table(load_results(rows.store(tmp_path, *parts))))
    facets = table.split('<div class="tg-facet">')[1:]
    heads = {tuple(re.findall(r'<th scope="col">(\w+) <small>', facet.partition("<details>")[0])) for facet in facets}
    assert heads == {("small", "xl"), ("tiny",)}
