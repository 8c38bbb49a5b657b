"""Names in docstrings: Sphinx' ``:func:`name` `` becomes the code span ```name```, which is Markdown's form."""

from __future__ import annotations

import re

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

_ROLE = re.compile(r":(?:func|meth|class|attr|mod|data):(?=`)")
_FIRST = 100  # priority: before code is recognized


class Roles(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the step that reads the source lines."""
        md.preprocessors.register(_Step(md), "roles", _FIRST)


class _Step(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return [_ROLE.sub("", line) for line in lines]
