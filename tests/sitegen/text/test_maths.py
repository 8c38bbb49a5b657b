"""Formulas in pages: MathML made while the site is built, in a font that is part of it."""

from __future__ import annotations

import re
from pathlib import Path

import markdown
import pytest
from mkdocs.exceptions import PluginError

from sitegen.build.site import BuiltSite
from sitegen.text.fonts import LETTERS
from sitegen.text.maths import Maths, to_mathml
from tests.sitegen.build.test_theme import code_points


def html(text: str) -> str:
    return markdown.markdown(text, extensions=["pymdownx.superfences", Maths()])


def test_a_formula_in_a_sentence_keeps_its_punctuation_and_is_not_markdown() -> None:
    page = html("The sum $a_1 * b_2 * c$, and *so* on.")
    assert "<em>so</em>" in page
    assert page.count("<em>") == 1
    assert re.search(r'<span class="tg-together"><math>.*<msub>.*</math>,</span> and', page)


def test_a_formula_of_its_own_is_a_block_also_inside_a_list() -> None:
    page = html("- item\n\n    $$\n    x \\\\\n    y < z\n    $$\n")
    assert re.search(r'<li>.*<div class="tg-math"><math display="block">.*&lt;.*</div>.*</li>', page, re.DOTALL)


def test_code_prices_and_escaped_dollars_stay_as_they_are() -> None:
    page = html("`$x$` costs $5 and $6, or \\$7 to \\$8.\n\n```sh\n$ echo $HOME $PATH\n```\n")
    assert "<math" not in page
    assert "$5 and $6, or $7 to $8." in page


def test_a_gradient_has_an_upright_d() -> None:
    assert '<mi mathvariant="normal">d</mi>' in to_mathml(r"\d x", display=False)


def test_a_formula_that_cannot_be_read_is_named() -> None:
    with pytest.raises(PluginError, match=r"foo.*cannot be read.*Unknown command"):
        to_mathml(r"\foo x", display=True)


def formula_pages(built: BuiltSite) -> list[Path]:
    return [path for name in ("derivations", "fast", "learn") for path in (built.output / name).rglob("index.html")]


def test_pages_carry_their_formulas_and_no_tex(built: BuiltSite) -> None:
    page = (built.output / "derivations/layer_norm/index.html").read_text()
    assert page.count("<math") > 20
    for page_file in formula_pages(built):
        text = re.sub(r"<(code|script|pre)\b.*?</\1>", "", page_file.read_text(), flags=re.DOTALL)
        assert "$" not in text, page_file.parent.name


def test_the_font_of_formulas_has_every_sign_that_they_use(built: BuiltSite) -> None:
    covered = code_points(f"{LETTERS['formula']},{LETTERS['other']}")
    for page_file in formula_pages(built):
        for formula in re.findall(r"<math.*?</math>", page_file.read_text(), re.DOTALL):
            signs = set(re.sub(r"<[^>]*>|&\w+;", "", formula)) - {"\n", "\u2061"}  # a function's application is unseen
            assert {sign for sign in signs if ord(sign) not in covered} == set(), page_file.parent.name
