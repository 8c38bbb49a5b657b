from __future__ import annotations

import pytest

from sitegen.text.html_tree import Element, read_html


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ('<p id="a" hidden>x</p>', '<p id="a" hidden="">x</p>'),
        ("<p>a<br>b<img src=x.png></p>c", '<p>a<br>b<img src="x.png"></p>c'),
        ('<p title="a > b" lang=\'"\'>x</p>', '<p title="a &gt; b" lang="&quot;">x</p>'),
        ("<p>&lt;b&gt; &amp;amp;</p>", "<p>&lt;b&gt; &amp;amp;</p>"),
        ("<!doctype html><!-- <p> --><P>x</P>", "<p>x</p>"),
        ("<script>if (a < b) { '<p>' }</script><p>x</p>", "<script>if (a &lt; b) { '&lt;p&gt;' }</script><p>x</p>"),
        ('<svg><path d="M0 0"/><g/></svg><p>x</p>', '<svg><path d="M0 0"></path><g></g></svg><p>x</p>'),
        ("<div><p>one<em>two</div><p>three", "<div><p>one<em>two</em></p></div><p>three</p>"),
        ("a < b</p> c", "a &lt; b c"),
    ],
)  # fmt: skip
def test_a_page_as_a_tree_and_back(page: str, expected: str) -> None:
    assert read_html(page).inner_html() == expected


def test_elements_know_their_lines() -> None:
    page = read_html('<html>\n<p title="a\nb">\ntext\n<b>x</b>\n<script>\n</script><i></i>')
    assert [(element.tag, element.line) for element in page.walk()][1:] == [
        ("html", 1), ("p", 2), ("b", 5), ("script", 6), ("i", 7),
    ]  # fmt: skip


def test_a_copy_without_some_elements_leaves_the_tree_alone() -> None:
    page = read_html('<div class="a"><p>one</p><b>two <i>three</i></b></div>')

    def dropped(parent: Element, child: Element) -> bool:
        return child.tag == "i" or (child.tag == "p" and "a" in parent.classes)

    copy = page.without(dropped)
    assert copy.inner_html() == '<div class="a"><b>two </b></div>'
    found = copy.find("b")
    assert found is not None
    found.attributes["id"] = "new"
    assert "new" not in page.html() and page.text == "onetwo three"
