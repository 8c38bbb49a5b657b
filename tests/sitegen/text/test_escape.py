from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitegen.text.escape import html_attribute, html_block, json_text
from tinygpt.terminal.visible import one_line, visible_text

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "{{ number('x') }} {% raw %}",
    "```\n# heading\n```",
    "[link](javascript:alert(1)) `code` *a* _b_",
    "a\x00b\x07c\x1b[31m\x7f",
    "left\u202eright\u2066\u200b\ufeff",
    "\u2028\u2029",
    "lone \ud800 surrogate",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_block_holds_nothing_but_letters_digits_blanks_and_numeric_entities(text: str) -> None:
    escaped = html_block(text)
    for char in "<>\"'`*_[](){}%\\\n":
        assert char not in escaped
    assert html.unescape(escaped) == visible_text(text, keep="\n")


@given(st.text())
def test_escaping_loses_nothing_that_was_visible(text: str) -> None:
    assert html.unescape(html_block(text)) == visible_text(text, keep="\n")
    assert "\n" not in html_block(text)
    assert visible_text(visible_text(text)) == visible_text(text)


def test_controls_and_direction_changes_become_visible_names() -> None:
    assert visible_text("a\x00\x1b\x7f\n") == "a␀␛␡\n"
    assert visible_text("x\u202ey\u200b\x85") == "x‹U+202E›y‹U+200B›‹U+0085›"
    assert visible_text("\ud800") == "\ufffd"
    assert visible_text("\ufdd0\U0001ffff\u0378") == "‹U+FDD0›‹U+1FFFF›\u0378"
    assert visible_text("é 中 ×") == "é 中 ×"


def test_an_attribute_stays_on_one_line() -> None:
    assert "&#10;" not in html_attribute("two\nlines")


def test_a_long_line_is_cut_with_an_ellipsis() -> None:
    assert one_line("word " * 100, 20).endswith("…")
    assert len(one_line("word " * 100, 20)) == 20


def test_json_is_safe_inside_a_script_element_and_reads_back_equal() -> None:
    value = {"</script>": ["<!--", "&", "\u2028", "'\""]}
    text = json_text(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON"):
        json_text(float("nan"))
