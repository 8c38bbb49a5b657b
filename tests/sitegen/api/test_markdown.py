from __future__ import annotations

import pytest

from sitegen.api.articles import Article, read_article
from sitegen.api.markdown import to_markdown
from sitegen.text.html_tree import read_html


def article(inside: str, site_url: str = "https://example.org/site/") -> Article:
    found = read_article(
        read_html(f'<head><meta name="description" content="About it"></head><article>{inside}</article>'),
        "page/",
        site_url,
    )
    assert found is not None
    return found


def markdown(inside: str) -> str:
    return to_markdown(article(inside).content).strip()


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<h2 id="a">A title<a class="headerlink" href="#a">¶</a></h2>', "## A title"),
        (
            "<p>One\nline, <em>stressed</em> and <strong>strong </strong>text</p>",
            "One line, *stressed* and **strong** text",
        ),
        ('<p>See <a href="../other/">it</a></p>', "See [it](https://example.org/site/other/)"),
        (
            '<p><img alt="](x) [a](javascript:b)" src="a (b).png"></p>',
            r"![\](x) \[a\](javascript:b)](https://example.org/site/page/a%20%28b%29.png)",
        ),
        ("<p>2 * 3 and a_b</p>", r"2 \* 3 and a\_b"),
        ("<p><code>a * b</code></p>", "`a * b`"),
        ("<p><code>a ` b</code></p>", "`` a ` b ``"),
        ("<p>x<code></code></p>", "x"),
        ("<ul><li>one</li><li><p>two</p><ol><li>inner</li></ol></li></ul>", "- one\n- two\n\n  1. inner"),
        ("<pre><span></span><code>a = 1\n\nb = `2`\n</code></pre>", "```\na = 1\n\nb = `2`\n```"),
        ("<pre><code>```\n</code></pre>", "````\n```\n````"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        (
            "<div><table><thead><tr><th>a</th><th>b|c</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table></div>",
            "| a | b\\|c |\n| --- | --- |\n| 1 |  |",
        ),
        ("<details><summary>More</summary><p>text</p></details>", "**More**\n\ntext"),
        ("<p>a</p><script>bad()</script><button>Copy</button><p>b</p>", "a\n\nb"),
        ("<p><math><mfrac><mn>1</mn><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow></mfrac></math></p>", "`1/(a + b)`"),
        ("<p><math><msup><mi>x</mi><mn>2</mn></msup><mo>=</mo><msqrt><mi>y</mi></msqrt></math></p>", "`x^2 = √(y)`"),
        ("<p><math><mi>tanh</mi><mo>\u2061</mo><mi>a</mi></math></p>", "`tanh a`"),
    ],
)
def test_an_element_as_markdown(html: str, expected: str) -> None:
    assert markdown(html) == expected


def test_a_figure_is_its_title_one_picture_its_words_and_its_files() -> None:
    text = markdown(
        '<figure class="tg-figure"><figcaption>Speed</figcaption><div class="tg-chart">'
        '<img class="tg-only-light" src="../embed/s.light.svg" alt="A curve">'
        '<img class="tg-only-dark" src="d.svg"></div>'
        '<div>Words. <span class="tg-downloads">Download: <a href="../embed/s.csv">CSV</a></span></div>'
        "<details><summary>The rows</summary><table><tr><td>1</td></tr></table></details></figure>"
    )
    base = "https://example.org/site/embed/"
    expected = f"**Speed**\n\n![A curve]({base}s.light.svg)\n\nWords. Download: [CSV]({base}s.csv)"
    assert text == expected


def test_a_page_has_its_title_and_description_and_relative_links_stay_where_its_address_is_unknown() -> None:
    found = article('<h1>A page</h1><p><a href="../b/">b</a></p>', "")
    assert (found.title, found.description) == ("A page", "About it")
    assert "[b](../b/)" in to_markdown(found.content)
    assert read_article(read_html("<p>moved</p>"), "page/", "") is None


def test_several_articles_of_an_index_are_all_its_content() -> None:
    page = "<main><div><h1>Log</h1><article><h2>a</h2></article><article><h2>b</h2></article></div></main>"
    found = read_article(read_html(page), "page/", "")
    assert found is not None
    assert to_markdown(found.content) == "# Log\n\n## a\n\n## b\n"
