from __future__ import annotations

import markdown

from sitegen.text.nowrap import NoWrap


def html(text: str) -> str:
    return markdown.markdown(text, extensions=["pymdownx.superfences", NoWrap()])


def test_an_option_is_not_split_at_its_hyphens() -> None:
    assert html("With `--preset` it is.") == '<p>With <code class="tg-together">--preset</code> it is.</p>'


def test_longer_code_may_break_at_a_space() -> None:
    assert html("`python -m invoke train --corpus-file PATH`") == (
        '<p><code>python <span class="tg-together">-m</span> invoke train '
        '<span class="tg-together">--corpus-file</span> PATH</code></p>'
    )


def test_output_of_macros_counts_but_long_code_blocks_and_words_without_hyphens_do_not() -> None:
    assert html('<p><a href="x"><code>a&#45;b</code></a></p>') == (
        '<p><a href="x"><code class="tg-together">a&#45;b</code></a></p>'
    )
    assert "tg-together" in html("`?theme=dark`")
    long = "20261123T145436Z-a5371257-3262-and-more"
    assert "tg-together" not in html(f"`{long}` `tiny` - dash\n\n```\ninvoke --list\n```\n")
