from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.build.material import adapt_material, with_names
from sitegen.build.site import BuiltSite
from sitegen.text.errors import SiteError
from sitegen.text.html_tree import read_html

SECTION = """<nav class="md-nav" data-md-level="1" {} aria-expanded="true">
  <label class="md-nav__title" for="__nav_6">
    <span class="md-nav__icon md-icon"></span>
    How it works
  </label>"""


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (SECTION.format('aria-labelledby="__nav_6_label"'), SECTION.format('aria-label="How it works"')),
        ('<div class="md-search" role="dialog">', '<div class="md-search" role="dialog" aria-label="Search">'),
        ('<nav class="md-nav" aria-label="A heading">', '<nav class="md-nav" role="none">'),
        ('<nav class="md-nav">', '<nav class="md-nav" aria-label="About the post">'),
        ('<nav class="md-nav md-nav--secondary" aria-label="Table of contents">', None),
        ('<p aria-labelledby="a">text</p>', None),
    ],
)
def test_a_region_gets_a_name_of_its_own_or_is_none(made: str, named: str | None) -> None:
    assert with_names(made) == (named or made)


def test_every_region_of_a_built_page_has_a_name(built: BuiltSite) -> None:
    for name in ("index.html", "speedup/index.html", "devlog/index.html", "learn/by_hand/index.html"):
        page = read_html((built.output / name).read_text())
        regions = [part for part in page.walk() if part.tag == "nav" and part.attributes.get("role") != "none"]
        assert len(regions) > 3
        assert all(region.attributes.get("aria-label") for region in regions), name


def test_another_script_than_the_adapted_one_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "assets/javascripts/bundle.0.min.js"
    script.parent.mkdir(parents=True)
    script.write_text('x("link[rel=alternate]");y("nav",{class:"md-code__nav"})')
    adapt_material(tmp_path)
    assert script.read_text() == 'x("link[rel=alternate][hreflang]");y("div",{class:"md-code__nav"})'
    with pytest.raises(SiteError, match=r'bundle.0.min.js does not have "nav"'):
        adapt_material(tmp_path)
