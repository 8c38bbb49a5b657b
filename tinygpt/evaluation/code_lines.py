"""Lines of Python that parse: the words of code may all exist while its grammar does not.

A line is parsed without its neighbours, so lines inside brackets and prose fail in the best of sources. That is why a
share counts only beside the author's. Blank lines and comments are not counted.
"""

from __future__ import annotations

import ast
import warnings

# What a line needs before or after it, by its first word; a header needs a body.
_BEFORE = {"else": "if 1: pass\n", "elif": "if 1: pass\n", "except": "try: pass\n", "finally": "try: pass\n"}
_AFTER = {"try": "\nfinally: pass"}


def parsing_lines(text: str) -> tuple[int, int]:
    """Count the lines that parse, and all lines, of a text that may end inside a line."""
    lines = [line for line in map(str.strip, text.split("\n")[:-1]) if line and not line.startswith("#")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parser warns of escapes such as "\d"
        return sum(map(_parses, lines)), len(lines)


def _parses(line: str) -> bool:
    first = line.split(" ")[0].rstrip(":")
    body = " pass" if line.endswith(":") else "\ndef f(): pass" if line.startswith("@") else ""
    try:
        ast.parse(_BEFORE.get(first, "") + line + body + _AFTER.get(first, ""))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: brackets in brackets
        return False
    return True
