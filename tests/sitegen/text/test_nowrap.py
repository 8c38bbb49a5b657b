from __future__ import annotations

import markdown

from sitegen.text.nowrap import NoWrap
from sitegen.text.roles import Roles


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


def test_a_sphinx_role_becomes_its_name() -> None:
    text = markdown.markdown("As :func:`load_model`, and :meth:`~a.b`; a time: `x`.", extensions=[Roles()])
    assert text == "<p>As <code>load_model</code>, and <code>~a.b</code>; a time: <code>x</code>.</p>"
