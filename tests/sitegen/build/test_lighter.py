from __future__ import annotations

import re

import pytest

from sitegen.build.lighter import can_match, slim_page, slim_script, slim_styles, used_in
from sitegen.build.site import BuiltSite

PAGE = """<html><body dir="ltr" data-md-color-primary="custom"><p class="shown also" style="--a:var(--inline)">
    <b class=bare><div class="tabbed-set"><input id="__tabbed_1_1"><input id="__tabbed_1_2"></div>"""
SCRIPT = """element.className = "made-later"; count--; tag.className = `tab-control--${way}`;
    element.style.setProperty("--set-by-script", 1); const note = `md-tooltip${"--md-mermaid-edge"}`"""
USED = used_in([PAGE], [SCRIPT])


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        ("p", True),
        (".shown", True),
        (".bare", True),
        (".made-later:hover", True),
        (".tab-control--next", True),
        (".count--", True),
        (".count--down", False),
        (".note", False),
        ("kbd", False),
        ("p > kbd.shown", False),
        ("body p+b:not(kbd)::before", True),
        ("const::selection", True),
        (".tabbed-set>input:nth-child(2):checked~p", True),
        (".tabbed-set>input:nth-child(3):checked~p", False),
        ("p:nth-child(3)", True),
        (".md-tooltip--active", False),
        (".shown .unknown", False),
        (".unknown", False),
        (".shown:not(.unknown)", True),
        (":is(.unknown,.shown:not(.x))", True),
        ("[href$='.unknown']", True),
        ("[dir=ltr] .shown", True),
        ("[dir=rtl] .shown", False),
        ('[data-md-color-primary="red"]', False),
        (".un\\:known", True),
    ],
)
def test_a_selector_stays_unless_nothing_can_match_it(selector: str, kept: bool) -> None:
    assert can_match(selector, USED) == kept


def test_a_style_loses_what_cannot_show_and_nothing_else() -> None:
    style = """
        /* a comment; with { signs } */
        @import url("a.css");
        :root { --read: 1px; --unread: url(data:image/svg+xml,a;b{c}); --inline: red; --set-by-script: 2 }
        :root { --only-there: 3; --md-mermaid-edge: 4 }
        .shown, .unknown { width: var( --read ); content: "/* ; } */" }
        .unknown { height: var(--only-there) }
        @media print { .unknown { color: red } .also { color: red } }
        @media screen { .unknown { color: red } }
        @keyframes turn { from { left: 0 } to { left: 1px } }
        .also { }
    """
    (slim,) = slim_styles([style], USED)
    assert re.sub(r"\s", "", slim) == re.sub(
        r"\s",
        "",
        """@import url("a.css");:root{--read: 1px;--inline: red;--set-by-script: 2}
        .shown{width: var( --read );content: "/* ; } */"}@media print{.also{color: red}}
        @keyframes turn{from { left: 0 } to { left: 1px }}""",
    )
    assert '"/* ; } */"' in slim


def test_a_property_that_another_sheet_reads_stays() -> None:
    assert slim_styles([":root{--far:1}", "p{top:var(--far)}"], USED) == [":root{--far:1}", "p{top:var(--far)}"]


def test_a_page_keeps_its_text_and_what_is_written_as_it_is() -> None:
    page = "<p>\n    one\n\n   two </p>\n<pre>\n  a\n\n    b</pre>\n   <textarea>\n  c</textarea>\n\n<p>end</p>"
    assert slim_page(page) == "<p>\none\ntwo </p>\n<pre>\n  a\n\n    b</pre>\n<textarea>\n  c</textarea>\n<p>end</p>"


def test_a_page_keeps_what_is_escaped_for_html() -> None:
    page = '<p title="3&#46;2&#215; &#34;">&#60;b&#62; &#38;amp; &#10;&#123;&#46;</p><pre>&#45;&#45;x</pre>'
    assert slim_page(page) == '<p title="3.2× &#34;">&#60;b&#62; &#38;amp; &#10;&#123;.</p><pre>--x</pre>'


def test_a_script_keeps_its_lines_of_code() -> None:
    assert slim_script("// first\n(() => {\n  // why\n\n  const a = `//b`; // c\n})();\n") == (
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
