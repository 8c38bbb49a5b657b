"""Docstrings in the reference: Sphinx' names in Markdown's form, and plain texts as paragraphs at once.

Names such as ``:func:`name` `` become the code span ```name```. Markdown takes dozens of steps for any text; thousands
of descriptions in the reference are words and code spans, which need none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

_ROLE = re.compile(r":(?:func|meth|class|attr|mod|data):(?=`)")
_FIRST = 100  # priority: before code is recognized
# Words without a character that can begin markup, and code without one that HTML escapes. Each line begins with a word.
_PLAIN = re.compile(
    r"""(?=[^\W\d_]|[(`])(?:[^\W_]|[ ,.;:()'"/=+%×÷²√−–—…→≤≥∂-]|`[^`<>&\n]+`|``[^`<>&\n]+``|\n(?=[^\W\d_]|[(`]))+"""
)
_CODE = re.compile(r"(`+)([^`]+)\1")
_LINE_BREAK = "  \n"
_STRIPPING = "mkdocstrings_strip_paragraph"


class Docstrings(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the step that reads the source lines, and the short way for plain texts."""
        md.preprocessors.register(_Step(md), "roles", _FIRST)
        setattr(md, "convert", partial(_convert, md, md.convert))  # noqa: B010  (mypy refuses to assign to a method)


class _Step(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return [_ROLE.sub("", line) for line in lines]


def _convert(md: Markdown, all_steps: Callable[[str], str], text: str) -> str:
    """Convert a text, by all steps unless it is plain."""
    words = _ROLE.sub("", text).strip()
    if not _PLAIN.fullmatch(words) or _LINE_BREAK in words:
        return all_steps(text)
    html = _CODE.sub(lambda code: f"<code>{code[2].strip()}</code>", words)
    if "nowrap" in md.postprocessors:
        html = md.postprocessors["nowrap"].run(html)
    bare = _STRIPPING in md.treeprocessors and getattr(md.treeprocessors[_STRIPPING], "strip")  # noqa: B009
    return html if bare else f"<p>{html}</p>"
