r"""Formulas: TeX between dollars becomes MathML during the build, so pages need no script for it.

``$x$`` is a formula in a sentence; a paragraph between ``$$`` and ``$$`` is a formula on its own line. Code is not
changed, and ``\$`` is a dollar sign. mkdocs-macros reads a page first and takes two opening braces in a row for a
macro, so write ``{ {``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as etree
from typing import Any

from markdown import Markdown
from markdown.blockprocessors import BlockProcessor
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.util import AtomicString
from math_core import LatexError, LatexToMathML
from mkdocs.exceptions import PluginError

# No space inside the dollars and no digit after them: "$5 and $6" are prices. Punctuation stays on the formula's line.
_INLINE = r"(?<!\\)\$(?![\s$])([^$]+?)(?<![\s\\])\$(?!\d)([,.;:!?)]*)"
_BLOCK = re.compile(r"^\$\$(.+)\$\$\s*$", re.DOTALL)
# Runs after code spans (190) and before Markdown's own backslashes (180), underscores and asterisks.
_INLINE_PRIORITY = 185
_BLOCK_PRIORITY = 175

# A gradient is written as in the code, dx for ∂loss/∂x, with an upright d.
_converter = LatexToMathML(fancy_error=False, macros={"d": r"\mathrm{d}"})


def to_mathml(tex: str, display: bool) -> str:
    """Convert the TeX between the dollars to a ``<math>`` element; ``display`` sets it on a line of its own.

    Raises:
        PluginError: the formula cannot be read; MkDocs stops the build and names the page.
    """
    try:
        return _converter.convert_with_local_state(" ".join(tex.split()), displaystyle=display)
    except LatexError as error:
        raise PluginError(f"formula {tex.strip()!r} cannot be read: {error}") from error


class Maths(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register both forms."""
        md.inlinePatterns.register(_Inline(_INLINE, md), "tinygpt-math", _INLINE_PRIORITY)
        md.parser.blockprocessors.register(_Block(md.parser), "tinygpt-math-block", _BLOCK_PRIORITY)
        if "$" not in md.ESCAPED_CHARS:
            md.ESCAPED_CHARS.append("$")


class _Inline(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[Any, int, int]:  # noqa: ARG002
        formula, behind = to_mathml(m.group(1), display=False), m.group(2)
        if behind:
            formula = f'<span class="tg-together">{formula}{behind}</span>'
        return self.md.htmlStash.store(formula), m.start(0), m.end(0)


class _Block(BlockProcessor):
    def test(self, parent: etree.Element, block: str) -> bool:  # noqa: ARG002
        return _BLOCK.match(block) is not None

    def run(self, parent: etree.Element, blocks: list[str]) -> None:
        found = _BLOCK.match(blocks.pop(0))
        assert found is not None
        frame = etree.SubElement(parent, "div", {"class": "tg-math"})
        frame.text = AtomicString(self.parser.md.htmlStash.store(to_mathml(found.group(1), display=True)))
