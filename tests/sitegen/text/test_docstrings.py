from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import islice

import markdown

from sitegen.text.docstrings import _PLAIN, Docstrings
from sitegen.text.nowrap import NoWrap
from tests import ROOT

EXTENSIONS = (
    "abbr", "admonition", "attr_list", "def_list", "footnotes", "md_in_html", "tables", "pymdownx.details",
    "pymdownx.highlight", "pymdownx.inlinehilite", "pymdownx.superfences",
)  # fmt: skip


def descriptions() -> Iterator[str]:
    """Paragraphs of the project's docstrings."""
    for path in sorted((ROOT / "tinygpt").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield from map(inspect.cleandoc, (ast.get_docstring(node) or "").split("\n\n"))


def test_a_sphinx_role_becomes_its_name() -> None:
    text = markdown.markdown("As :func:`load_model`, and :meth:`~a.b`; a *time*: `x`.", extensions=[Docstrings()])
    assert text == "<p>As <code>load_model</code>, and <code>~a.b</code>; a <em>time</em>: <code>x</code>.</p>"


def test_a_plain_text_is_the_same_by_the_short_way() -> None:
    converter = markdown.Markdown(extensions=[*EXTENSIONS, NoWrap(), Docstrings()])
    _, all_steps = converter.convert.args  # type: ignore[attr-defined]
    texts = [*islice(filter(None, descriptions()), 0, None, 12)]
    assert sum(_PLAIN.fullmatch(text) is not None for text in texts) > len(texts) / 3 > 50
    for text in texts:
        assert converter.convert(text) == all_steps(text)
        converter.reset()
