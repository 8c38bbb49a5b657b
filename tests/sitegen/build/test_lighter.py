from __future__ import annotations

import re
from pathlib import Path

import pytest

from sitegen.build.lighter import (
    can_match,
    join_styles,
    lighter_page,
    lighter_script,
    lighter_shader,
    lighter_style,
    names_in,
    properties_read,
    reference_style_last,
    without_idle_properties,
    without_idle_rules,
)
from sitegen.build.site import BuiltSite

PAGE = """<html><body dir="ltr" data-md-color-primary="custom"><p class="shown also md-tags" style="--a:var(--inline)">
    <b class=bare>an unknown note</b><a href="unknown">"""
SCRIPT = """it.className = "made-later md-version__list md-tag-icon md-status tabbed-control"; count--; unknown = 1;
    element.style.setProperty("--set-by-script", 1)"""
NAMES = names_in([PAGE], [SCRIPT])


@pytest.mark.parametrize(
    ("selector", "kept"),
    [
        ("p", True),
        (".shown", True),
        (".bare", True),
        (".js .made-later:hover", True),
        (".js .tabbed-control", False),
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
        ("[role=columnheader] .shown", False),
        ('[data-md-color-primary="red"]', False),
        (".un\\:known", True),
        (".md-version__list", False),
        (".md-tag-icon", True),
        (".md-status", False),
    ],
)
def test_a_selector_stays_unless_nothing_can_match_it(selector: str, kept: bool) -> None:
    assert can_match(selector, NAMES) == kept


def lighter(*styles: str) -> list[str]:
    ruled = [without_idle_rules(lighter_style(style), NAMES) for style in styles]
    read = properties_read(ruled, [PAGE], NAMES)
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
        @media print { .unknown { color: red } }
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


def test_a_script_loses_its_documentation() -> None:
    script = "/** First. */\nconst a = 1; /* kept */\n/**\n * Second, * and /.\n */\nconst b = a * 2;\n"
    assert lighter_script(script) == "const a = 1; /* kept */\nconst b = a * 2;\n"


def test_a_shader_keeps_its_code_alone() -> None:
    shader = "// x = y\n@compute fn main() {\n  x[0] = 1.0 / 2.0; // half\n}\n"
    assert lighter_shader(shader) == "@compute fn main() {\nx[0] = 1.0 / 2.0;\n}\n"


def test_the_built_site_wears_what_its_pages_need(built: BuiltSite) -> None:
    home = (built.output / "index.html").read_text()
    (sheet,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', home)
    text = (built.output / sheet).read_text()
    assert len(text) < 110_000  # Material's alone, as it comes: 137,000
    for needed in (".md-typeset", ".md-search__input", ".md-nav__link", ".md-code__button"):
        assert needed in text, needed
    assert "[dir=rtl]" not in text
    assert "md-annotation" not in text
    assert not [*built.output.rglob("main.*.css")]
    assert not re.search(r"\n\s*\n", re.sub(r"<(pre|script)\b.*?</\1>", "-", home, flags=re.DOTALL))


def test_only_the_reference_has_its_style_sheet() -> None:
    own, others = '<link rel="stylesheet" href="../assets/_mkdocstrings.css">', '<link rel="stylesheet" href="b.css">'
    page = f"<head>{own}\n{others}</head><body>{{}}</body>"
    assert reference_style_last(page.format("text")) == f"<head>{others}</head><body>text</body>"
    documented = '<div class="doc doc-object">x</div>'
    assert reference_style_last(page.format(documented)) == f"<head>{others}{own}</head><body>{documented}</body>"
    assert reference_style_last(others) == others


def test_the_sheets_of_a_page_become_one_named_by_its_content(tmp_path: Path) -> None:
    for name, style in {"css/a.css": "p{top:0}", "generated/b.css": "p{left:0}", "css/c.css": "p{right:0}"}.items():
        (tmp_path / "assets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "assets" / name).write_text(style)
    (tmp_path / "assets/stylesheets").mkdir()
    links = [f'<link rel="stylesheet" href="{{}}assets/{name}.css">' for name in ("css/a", "generated/b", "css/c")]
    for page, start in {"index.html": "", "deep/index.html": "../", "404.html": "/sub/path/"}.items():
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text(f"<head>{links[0]}\n{links[1]}</head><body>{links[2]}</body>".format(*3 * [start]))
    join_styles(tmp_path)
    (sheet,) = (tmp_path / "assets/stylesheets").iterdir()
    assert sheet.read_text() == "p{top:0}p{left:0}"
    for page, start in {"index.html": "", "deep/index.html": "../", "404.html": "/sub/path/"}.items():
        text = (tmp_path / page).read_text()
        assert f'<head><link rel="stylesheet" href="{start}assets/stylesheets/{sheet.name}">' in text
        assert f"<body>{links[2].format(start)}" in text
    assert [path.name for path in tmp_path.rglob("*.css") if path != sheet] == ["c.css"]
