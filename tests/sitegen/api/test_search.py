from __future__ import annotations

import json
from pathlib import Path

from sitegen.api.articles import read_articles
from sitegen.api.search import PAGES, write_search
from sitegen.text.html_tree import read_html

PAGE = """<article><h1 id="t">Title<a class="headerlink" href="#t">#</a></h1>
<p>One
<b>two</b></p><h2 id="part">a &lt; b</h2><ul><li>x &lt; y</li></ul>
<div data-search-exclude><h3 id="hidden">Hidden</h3><p>rows</p></div><pre><code>a
  b</code></pre></article>"""


def test_a_page_is_an_entry_and_so_is_each_of_its_headings_with_what_follows(tmp_path: Path) -> None:
    (tmp_path / PAGES).parent.mkdir()
    several = read_html("<main><article><h2>One</h2></article><article><h2>Two</h2></article></main>")
    pages = {"page/index.html": read_html(PAGE), "devlog/index.html": several}
    write_search(read_articles(pages, ""), tmp_path)
    assert json.loads((tmp_path / PAGES).read_text())["docs"] == [
        {"location": "page/", "title": "Title", "text": "<p>One two</p>"},
        {
            "location": "page/#part",
            "title": "a &lt; b",
            "text": "<ul><li>x &lt; y</li></ul> <pre><code>a\n  b</code></pre>",
        },
    ]
