"""Compare the options and tables in the pages with the program, or write them: a tool of ``invoke lint``."""

from __future__ import annotations

import sys

from sitegen.commands.program import namespace
from sitegen.documents.plain_blocks import PLAIN_PAGES, with_plain_blocks
from tinygpt.terminal.checkout import checkout


def main(fix: bool) -> int:
    """Return 1 if a page differs; with ``fix``, write it instead."""
    differing = 0
    for name in PLAIN_PAGES:
        page = checkout() / "docs" / name
        text = page.read_text(encoding="utf-8")
        written = with_plain_blocks(text, namespace)
        if written == text:
            continue
        if fix:
            page.write_text(written, encoding="utf-8")
            print(f"docs/{name}: written anew")
        else:
            print(f"docs/{name}: options or tables differ from the program; run: invoke lint --fix")
            differing = 1
    return differing


if __name__ == "__main__":
    sys.exit(main("--fix" in sys.argv))
