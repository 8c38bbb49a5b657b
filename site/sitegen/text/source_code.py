"""Definitions of the package's code for pages, folded, so that a page shows what runs to those who ask for it."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

from sitegen.text.errors import SiteError


def definitions(path: Path, names: tuple[str, ...]) -> str:
    """Return functions or classes of a Python file, in the order of ``names``, as a fenced block that is folded.

    Raises:
        SiteError: the file has no such definition at its top level.
    """
    source = path.read_text(encoding="utf-8")
    found = {
        node.name: ast.get_source_segment(source, node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    missing = [name for name in names if name not in found]
    if missing or not names:
        raise SiteError(f"{path.name} has no {', '.join(missing) or 'names given'}; it defines {', '.join(found)}")
    code = "```python\n" + "\n\n\n".join(str(found[name]) for name in names) + "\n```"
    listed = ", ".join(f"`{name}`" for name in names)
    return f'??? example "{listed} in `{path.name}`"\n\n{textwrap.indent(code, "    ")}'
