from __future__ import annotations

from pathlib import Path

import pytest

from sitegen.build.output_checks import check_site
from sitegen.text.html_tree import read_site

URL = "https://example.org/tinygpt/"

CLEAN = """<!doctype html><html><head>
<link rel="canonical" href="https://example.org/tinygpt/">
<link rel="stylesheet" href="assets/site.css?v=1">
</head><body><h1 id="top">x</h1><a href="#top">a</a> <a href="page/#there">b</a> <a href="/tinygpt/page/">c</a>
<a href="https://other.example/">out</a> <a href="mailto:a@b.example">mail</a> <img src="data:image/gif;base64,R0">
</body></html>"""


def site(tmp_path: Path, body: str = "") -> Path:
    (tmp_path / "page").mkdir()
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/site.css").write_text("body{background:url(dot.svg)}")
    (tmp_path / "assets/dot.svg").write_text("<svg/>")
    (tmp_path / "index.html").write_text(CLEAN.replace("</body>", body + "</body>"))
    (tmp_path / "page/index.html").write_text('<p id="there">y</p><a href="../#top">up</a>')
    return tmp_path


def problems_of(folder: Path) -> list[str]:
    return check_site(folder, read_site(folder), URL)


def test_a_sound_site_has_no_problem(tmp_path: Path) -> None:
    assert problems_of(site(tmp_path)) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="nowhere/">x</a>', "nowhere/ leads nowhere"),
        ('<img src="assets/none.png" alt="">', "assets/none.png leads nowhere"),
        ('<img srcset="assets/dot.svg 1x, assets/none.svg 2x" alt="">', "assets/none.svg leads nowhere"),
        ('<a href="page/#elsewhere">x</a>', "names an anchor"),
        ('<a href="#gone">x</a>', "names an anchor"),
        ('<a href="/other/">x</a>', "outside /tinygpt/"),
        ('<a href="../../etc/">x</a>', "leads out of the site"),
        (f'<a href="{URL}gone/">x</a>', "leads nowhere"),
        ('<script src="https://cdn.example/x.js"></script>', "loads https://cdn.example/x.js from another host"),
        ('<script src="//cdn.example/x.js"></script>', "from another host"),
        ('<link rel="preconnect" href="https://fonts.example">', "from another host"),
        ('<iframe src="https://video.example"></iframe>', "from another host"),
        ('<p style="background:url(https://img.example/a.png)">x</p>', "from another host"),
        ("<style>@import 'https://fonts.example/f.css';</style>", "from another host"),
        ('<p id="top">again</p>', "the id 'top' occurs twice"),
        ('<form action="send/"></form>', "send/ leads nowhere"),
        ('<meta http-equiv="refresh" content="0; url=moved/">', "moved/ leads nowhere"),
        ('<link rel="alternate" type="application/json+oembed" href="none.json">', "none.json leads nowhere"),
        ('<svg><image href="https://img.example/a.png"/></svg>', "from another host"),
        ('<a href="#top" ping="https://count.example/">x</a>', "from another host"),
        ('<meta property="og:image" content="assets/dot.svg">', "is shared, and is not below"),
        (f'<meta name="twitter:image" content="{URL}assets/none.png">', "none.png leads nowhere"),
        (f"<code>&lt;iframe src=&quot;{URL}embed/none/?theme=dark&quot;&gt;</code>", "embed/none/?theme=dark leads"),
    ],
)
def test_a_problem_is_found_and_names_the_page(tmp_path: Path, body: str, said: str) -> None:
    problems = problems_of(site(tmp_path, body))
    assert len(problems) == 1
    assert problems[0].startswith("index.html")
    assert said in problems[0]


def test_style_sheets_are_read_too(tmp_path: Path) -> None:
    root = site(tmp_path)
    (root / "assets/site.css").write_text('a{background:url("none.svg")} b{background:url(https://x.example/y)}')
    problems = problems_of(root)
    assert problems == [
        "assets/site.css: none.svg leads nowhere",
        "assets/site.css: loads https://x.example/y from another host",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("sitemap.xml", f"<loc>{URL}page/</loc><loc>{URL}gone/</loc>", f"{URL}gone/ leads nowhere"),
        ("feed.xml", f"<link>{URL}page/#gone</link>", "names an anchor that page/index.html does not have"),
        ("oembed.json", f'{{"html": "<iframe src=\\"{URL}embed/x/\\">"}}', f"{URL}embed/x/ leads nowhere"),
        ("search/pages.json", '{"docs": [{"location": "page/#gone"}]}', "page/#gone names an anchor"),
        ("assets/a.svg", '<svg><use xlink:href="https://x.example/a.svg#b"/></svg>', "from another host"),
        ("assets/a.svg", '<svg><path fill="url(#here)"/><image href="none.png"/></svg>', "none.png leads nowhere"),
    ],
)
def test_files_that_are_no_pages_are_read_too(tmp_path: Path, name: str, text: str, said: str) -> None:
    root = site(tmp_path)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text)
    problems = problems_of(root)
    assert len(problems) == 1
    assert problems[0].startswith(name)
    assert said in problems[0]
