"""Looks that can be checked without a browser: contrast, fonts, vendored scripts, nothing from other hosts."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import altair as alt
import pytest

from bench.arms.registry import ACCELERATOR_PEERS, JAX_ON_CPU, PEERS, ROUNDED
from sitegen.build.output_checks import check_site
from sitegen.rows.series import BEST_ON_CPU, EVERYTHING, SERIES, order_series, series_colors, series_shapes
from sitegen.text.fonts import LETTERS, font_faces
from sitegen.text.html_tree import read_site
from sitegen.text.palette import THEMES, Theme, css_variables, order_variants
from tests import ROOT
from tinygpt.engines import CPU_ENGINES

THEME = ROOT / "site/theme"
ON_GPU = ("jax", *ACCELERATOR_PEERS, BEST_ON_CPU)


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    lighter, darker = sorted((luminance(a), luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_text_and_marks_stand_out(theme: Theme) -> None:
    for color in (theme.ink, theme.muted, theme.link, theme.accent, theme.good, theme.bad):
        for background in (theme.background, theme.raised):
            assert contrast(color, background) >= 4.5, (color, background)
    assert contrast(theme.header_ink, theme.header) >= 4.5
    for color in (*theme.engines.values(), *theme.spare):
        assert contrast(color, theme.background) >= 3, color


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_engines_differ_in_colour_and_in_shape(theme: Theme) -> None:
    variants = order_variants(["vectorized[threads=1]", "numpy", "peer", "vectorized", "python"])
    assert variants == ["python", "numpy", "vectorized", "vectorized[threads=1]", "peer"]
    assert len(set(series_colors(variants, theme))) == len(variants)
    assert len(set(series_shapes(variants))) == len(variants)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize(
    "absent",
    [
        (*(name for name, peer in PEERS.items() if not peer.trainer), *ROUNDED, *ON_GPU),  # no training on a processor
        (*(name for name, peer in PEERS.items() if not peer.generator), "python", "numpy", "roofline", *ON_GPU),
        ("python", "numpy", "roofline", JAX_ON_CPU, *ROUNDED, *PEERS),  # not beside an accelerator's rows
    ],
    ids=["training", "writing", "accelerator"],
)
def test_peers_that_meet_in_a_figure_look_different(theme: Theme, absent: tuple[str, ...]) -> None:
    shown = [name for name in SERIES if name not in absent]
    looks = [*zip(series_colors(shown, theme), series_shapes(shown), strict=True)]
    assert len(set(looks)) == len(shown)
    # There are more peers than colours that can be told apart: those of the last menu entry share colours.
    few = [name for name in shown if SERIES[name].tier != EVERYTHING]
    assert len({*series_colors(few, theme)}) == len(few)
    for name, look in zip(shown, looks, strict=True):  # who else is shown changes nothing
        assert look == (series_colors([name], theme)[0], series_shapes([name])[0])
    assert order_series(["roofline", "mine", "jax-textbook", "numpy"]) == ["numpy", "jax-textbook", "roofline", "mine"]


def test_every_registered_engine_has_a_colour_of_its_own() -> None:
    for theme in THEMES:
        assert set(CPU_ENGINES) <= set(theme.engines)


def test_the_style_sheets_use_the_palette_and_no_colour_of_their_own() -> None:
    defined = set(re.findall(r"--tg-[a-z-]+(?=:)", css_variables()))
    for path in (THEME / "assets/css").glob("*.css"):
        text = path.read_text()
        assert not re.search(r"#[0-9a-f]{6}\b|rgb\(", text), path.name
        own = set(re.findall(r"(--tg-(?:radius|fade-[a-z]+)):", text))  # lengths, which are no colours
        assert set(re.findall(r"var\((--tg-[a-z-]+)", text)) <= defined | own | {"--tg-radius"}, path.name


def code_points(ranges: str) -> set[int]:
    """Code points in a range such as ``U+0020-007E,U+00A0``."""
    points: set[int] = set()
    for part in ranges.split(","):
        first, _, last = part.strip().removeprefix("U+").partition("-")
        points |= set(range(int(first, 16), int(last or first, 16) + 1))
    return points


def test_the_style_asks_for_fonts_by_the_letters_that_the_readme_puts_into_them() -> None:
    readme = (THEME / "assets/fonts/README.md").read_text()
    letters: dict[tuple[str, str], list[set[int]]] = {}
    files = set()
    for face in re.findall(r"@font-face \{(.*?)\}", font_faces()):
        rules = dict(re.findall(r"([a-z-]+):\s*([^;]+);", face))
        files.add(re.findall(r"fonts/([\w-]+\.woff2)", rules["src"])[0])
        same = letters.setdefault((rules["font-family"], rules["font-weight"]), [])
        assert not any(code_points(rules["unicode-range"]) & others for others in same), rules["src"]
        same.append(code_points(rules["unicode-range"]))
    assert files == {path.name for path in (THEME / "assets/fonts").glob("*.woff2")}
    assert set(re.findall(r"\$\(letters (\w+)", readme)) == set(LETTERS)


def test_the_vendored_scripts_are_those_that_the_readme_tells_how_to_make() -> None:
    vendor = THEME / "assets/vendor"
    readme = (vendor / "README.md").read_text()
    bundles = {path.name for path in vendor.glob("*.min.js")}
    assert {path.name for path in vendor.iterdir()} == {
        "README.md", "LICENSES.txt", *bundles, "parquet.entry.mjs",
        "vega-charts.encode.mjs", "vega-charts.entry.mjs", "vega-charts.scenegraph.mjs", "vega-charts.transforms.mjs",
        "vega-charts.unused.cjs",
    }  # fmt: skip
    assert bundles == {"vega-charts.min.js", "parquet.min.js"}
    for bundle in bundles:
        assert f"`{hashlib.sha256((vendor / bundle).read_bytes()).hexdigest()}`" in readme, bundle
    assert f"npm install vega@{alt.VEGA_VERSION}." in readme
    bundled = set(re.findall(r"^\| `([a-z0-9-]+)` \| \d", readme, re.MULTILINE))
    headings = re.findall(r"^== (.+) ==$", (vendor / "LICENSES.txt").read_text(), re.MULTILINE)
    licensed = {name for heading in headings for name in heading.split(", ")}
    assert bundled == licensed
    assert {"vega-view", "vega-interpreter", "d3-scale", "hyparquet", "fzstd"} <= bundled
    assert set(re.findall(r"(?:hyparquet|fzstd)@([\d.]+)", readme)) <= set(re.findall(r"\| ([\d.]+) \|", readme))


def test_the_themes_own_files_name_no_other_host(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>x</p>")
    for path in [*(THEME / "assets/js").rglob("*.js"), *(THEME / "assets/css").glob("*.css"), *THEME.glob("*.html")]:
        assert not re.search(r"https?://", path.read_text()), path.name
    assert check_site(tmp_path, read_site(tmp_path), "https://example.org/") == []
