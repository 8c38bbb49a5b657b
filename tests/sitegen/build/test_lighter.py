from __future__ import annotations

import re

import pytest

from sitegen.build.lighter import (
    can_match,
    lighter_page,
    lighter_script,
    lighter_style,
    names_in,
    properties_read,
    without_idle_properties,
    without_idle_rules,
)
from sitegen.build.site import BuiltSite

PAGE = """<html><body dir="ltr" data-md-color-primary="custom"><p class="shown also" style="--a:var(--inline)">
    <b class=bare>an unknown note</b><a href="unknown">"""
SCRIPT = """element.className = "made-later"; count--; unknown = 1;
    element.style.setProperty("--set-by-script", 1)"""
NAMES = names_in([PAGE], [SCRIPT])


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        ("p", True),
        (".shown", True),
        (".bare", True),
        (".js .made-later:hover", True),
        (".tabbed-control--next", True),
        (".note", False),
        ("p > kbd.shown", True),
        ("body p+b:not(kbd)::before", True),
        (".shown .unknown", False),
        (".unknown", False),
        (".shown:not(.unknown)", True),
        (":is(.unknown,.shown:not(.x))", True),
        ("[href$='.unknown']", True),
        ("[data-md-type=copy]", True),
        ("[dir=ltr] .shown", True),
        ("[dir=rtl] .shown", False),
        ('[data-md-color-primary="red"]', False),
        (".un\\:known", True),
    ],
)
def test_a_selector_stays_unless_nothing_can_match_it(selector: str, kept: bool) -> None:
    assert can_match(selector, NAMES) == kept


def lighter(*styles: str) -> list[str]:
    ruled = [without_idle_rules(lighter_style(style), NAMES) for style in styles]
    read = properties_read(ruled, [PAGE, SCRIPT])
    return [without_idle_properties(style, read) for style in ruled]


def test_a_style_loses_what_cannot_show_and_nothing_else() -> None:
    style = """
        /* a comment; with { signs } */
        @import url("a.css");
        :root { --read:1px; --unread:url("data:image/svg+xml,a;b{c}"); --inline:red; --set-by-script:2 }
        :root { --only-there:3; top:0 }
        .shown, .unknown { width: var( --read ); content: "/* ; } */" }
        .unknown { height: var(--only-there) }
        @media print { .unknown { color: red } .also { color: red } }
        @media screen { .shown, .also:not(:is(.x,.y:not(.z)),.w), .unknown:is(.a,.b) { color: red } }
        @keyframes turn { from { left: 0 } to { left: 1px } }
        p--unread:hover { top: 1px }
    """
    (light,) = lighter(style)
    assert re.sub(r"\s", "", light) == re.sub(
        r"\s",
        "",
        """@import url("a.css");:root{--read:1px;--inline:red;--set-by-script:2}:root{top:0}
        .shown{width: var( --read );content: "/* ; } */"}@media print{.also{color: red}}
        @media screen{.shown, .also:not(:is(.x,.y:not(.z)),.w){color: red}}
        @keyframes turn{from{left: 0}to{left: 1px}}p--unread:hover{top: 1px}""",
    )
    assert '"/* ; } */"' in light


def test_a_property_that_another_sheet_reads_stays() -> None:
    assert lighter(":root{--far:1}", "p{top:var(--far)}") == [":root{--far:1}", "p{top:var(--far)}"]


def test_a_page_keeps_its_text_and_what_is_written_as_it_is() -> None:
    page = "<p>\n    one\n\n   two </p>\n<pre>\n  a\n\n    b</pre>\n   <textarea>\n  c</textarea>\n\n<p>end</p>"
    assert lighter_page(page) == "<p>\none\ntwo </p>\n<pre>\n  a\n\n    b</pre>\n<textarea>\n  c</textarea>\n<p>end</p>"


def test_a_page_keeps_what_is_escaped_for_html() -> None:
    page = '<p title="3&#46;2&#215; &#34;">&#60;b&#62; &#38;amp; &#10;&#123;&#46;</p><pre>&#45;&#45;x</pre>'
    assert lighter_page(page) == '<p title="3.2× &#34;">&#60;b&#62; &#38;amp; &#10;&#123;.</p><pre>--x</pre>'


def test_a_script_keeps_its_lines_of_code() -> None:
    assert lighter_script("// first\n(() => {\n  // why\n\n  const a = `//b`; // c\n})();\n") == (
        "(() => {\nconst a = `//b`; // c\n})();\n"
    )


def test_the_built_site_wears_what_its_pages_need(built: BuiltSite) -> None:
    (style,) = (built.output / "assets/stylesheets").glob("main.*.css")
    text = style.read_text()
    assert style.stat().st_size < 110_000  # as it comes, 137,000
    for needed in (".md-typeset", ".md-search__input", ".md-nav__link", ".md-code__button"):
        assert needed in text, needed
    assert "[dir=rtl]" not in text
    home = (built.output / "index.html").read_text()
    assert not re.search(r"\n\s*\n", re.sub(r"<(pre|script)\b.*?</\1>", "-", home, flags=re.DOTALL))
