"""Lines and blocks of Python that parse: the words of code may all exist while its grammar does not.

A line is parsed without its neighbours, so lines inside brackets and prose fail in the best of sources. A block is a
line that ends with a colon and the deeper lines below it: it parses only if they fit each other. Shares count only
beside the author's. Blank lines and comments are not counted as lines, and no block that the end of the text may cut.
"""

from __future__ import annotations

import ast
import textwrap
import warnings

# What a line needs before or after it, by its first word; a header needs a body.
_BEFORE = {"else": "if 1: pass\n", "elif": "if 1: pass\n", "except": "try: pass\n", "finally": "try: pass\n"}
_AFTER = {"try": "\nfinally: pass"}


def parsing_lines(text: str) -> tuple[int, int]:
    """Count the lines that parse, and all lines, of a text that may end inside a line."""
    lines = [line for line in map(str.strip, text.split("\n")[:-1]) if line and not line.startswith("#")]
    return sum(map(_parses_alone, lines)), len(lines)


def parsing_blocks(text: str) -> tuple[int, int]:
    """Count the blocks that parse, and all blocks; one inside another counts too."""
    lines = [line for line in text.split("\n")[:-1] if line.strip()]
    depths = [len(line) - len(line.lstrip()) for line in lines]
    blocks = []
    for start, line in enumerate(lines):
        if line.rstrip().endswith(":") and not line.lstrip().startswith("#"):
            after = (at for at in range(start + 1, len(lines)) if depths[at] <= depths[start])
            blocks.append(lines[start : next(after, start)])
    whole = [textwrap.dedent("\n".join(block)) for block in blocks if block]
    return sum(map(_parses, whole)), len(whole)


def _parses_alone(line: str) -> bool:
    return _parses(line + (" pass" if line.endswith(":") else "\ndef f(): pass" if line.startswith("@") else ""))


def _parses(source: str) -> bool:
    first = source.split(maxsplit=1)[0].rstrip(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parser warns of escapes such as "\d"
        try:
            ast.parse(_BEFORE.get(first, "") + source + _AFTER.get(first, ""))
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: brackets in brackets
            return False
    return True
