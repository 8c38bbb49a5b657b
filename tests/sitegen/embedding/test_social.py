"""Favicon and card: drawn from the rows, and harmless whatever the rows say."""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sitegen.build.site import BuiltSite
from sitegen.embedding import social
from sitegen.rows.results import Results, load_results
from tests import ROOT
from tests.sitegen import example_rows as rows
from tinygpt.presets import LADDER

FONTS = ROOT / "site/sitegen/figures/fonts"


@pytest.fixture
def results(tmp_path: Path) -> Results:
    rows.store(tmp_path / "results", rows.ladder("run-1"))
    return load_results(tmp_path / "results")


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def line_of(svg: str, element: int) -> list[tuple[float, float]]:
    paths = [node.attrib["d"] for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("path")]
    return places(paths[element])


def test_the_curve_is_that_of_the_rows(results: Results) -> None:
    curve = social.speedup_curve(results)
    assert curve.baseline in {"python", "numpy"}
    line = curve.lines["vectorized"]
    assert [point.n_parameters for point in line] == sorted(point.n_parameters for point in line)
    assert max(point.speedup for point in line) > 1
    drawn = line_of(social.card_svg(curve), 1)
    assert len(drawn) == len(curve.lines[next(iter(curve.lines))])
    # Larger is to the right, and faster is higher.
    first = curve.lines[next(iter(curve.lines))]
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    by_height = sorted(range(len(first)), key=lambda index: -drawn[index][1])
    by_speed = sorted(range(len(first)), key=lambda index: first[index].speedup)
    assert by_height == by_speed
    assert all(0 < x < 48 and 0 < y < 48 for x, y in line_of(social.favicon_svg(curve), 1))


def test_without_results_there_are_axes_and_no_curve(tmp_path: Path) -> None:
    curve = social.speedup_curve(load_results(tmp_path / "nothing"))
    assert (curve.baseline, curve.lines) == ("", {})
    assert social.favicon_svg(curve).count("<path") == 1
    card = " ".join(ElementTree.fromstring(social.card_svg(curve)).itertext())
    assert "Nothing measured yet" in card


def test_labels_of_the_card_do_not_cover_each_other() -> None:
    points = tuple(
        social.CurvePoint(name, preset.model.n_parameters, 3.0 - 0.1 * number)
        for number, (name, preset) in enumerate(LADDER.items())
    )
    card = ElementTree.fromstring(social.card_svg(social.Curve("numpy", {"vectorized": points})))
    labels = [node for node in card if node.text in LADDER]
    assert len(labels) >= 6
    boxes = [(float(node.attrib["x"]), 0.5 * 25 * len(node.text or "") / 2) for node in labels]
    assert all(after - half > before + width for (before, width), (after, half) in pairwise(boxes))


def test_the_files_are_what_a_page_says_they_are(results: Results, tmp_path: Path) -> None:
    social.write_icons(results, tmp_path, FONTS)
    width, height = struct.unpack(">II", (tmp_path / social.CARD).read_bytes()[16:24])
    assert (width, height) == (social.CARD_WIDTH, social.CARD_HEIGHT)
    assert struct.unpack(">II", (tmp_path / social.TOUCH_ICON).read_bytes()[16:24]) == (180, 180)
    assert (tmp_path / social.CARD).stat().st_size < 300_000
    before = (tmp_path / social.FAVICON).read_bytes(), (tmp_path / social.CARD).read_bytes()
    social.write_icons(results, tmp_path, FONTS)
    assert ((tmp_path / social.FAVICON).read_bytes(), (tmp_path / social.CARD).read_bytes()) == before


def test_a_shared_page_shows_the_card_and_the_feed_does_too(built: BuiltSite) -> None:
    card = "https://example.org/tinygpt/assets/generated/social.png"
    for name in ("index.html", "speedup/index.html", "devlog/index.html"):
        head = (built.output / name).read_text().partition("</head>")[0]
        told = dict(re.findall(r'<meta property="og:([a-z:_]+)" content="([^"]*)">', head))
        assert told["image"] == card, name
        assert told["url"] == "https://example.org/tinygpt/" + name.removesuffix("index.html")
        assert len(told["description"]) >= 40, name
        assert (told["image:width"], told["image:height"]) == (str(social.CARD_WIDTH), str(social.CARD_HEIGHT))
        assert '<meta name="twitter:card" content="summary_large_image">' in head
    assert f"<url>{card}</url>" in (built.output / "feed_rss_created.xml").read_text()
