"""Options stay on one line: a browser may end a line behind any hyphen, in code too, and leave ``--`` alone there.

Inline code that is one short word with a hyphen or a question mark, and such words in longer code, get the class
``tg-together``. Blocks of code have lines of their own and are left alone; so are long words, which a phone has to
break somewhere.
"""

from __future__ import annotations

import re
from html import unescape

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

_LONGEST = 30  # characters; about three quarters of a line on a phone
_BLOCK = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
_BREAKS = r"(?:[-?]|&#(?:45|63);)"  # behind these; macros write them as entities (sitegen.text.escape)
_CODE = re.compile(rf"<code>([^<]*{_BREAKS}[^<]*)</code>")
_WORD = re.compile(rf"\S*{_BREAKS}\S*")
_LAST = 5  # when what macros and other extensions wrote is back in its place


class NoWrap(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the step that reads a page's HTML."""
        md.postprocessors.register(_Step(md), "unbroken", _LAST)


class _Step(Postprocessor):
    def run(self, text: str) -> str:
        parts = _BLOCK.split(text)
        return "".join(part if part.startswith("<pre") else _CODE.sub(_unbroken, part) for part in parts)


def _unbroken(code: re.Match[str]) -> str:
    words = code[1]
    if re.search(r"\s", words):
        return f"<code>{_WORD.sub(_together, words)}</code>"
    return f'<code class="tg-together">{words}</code>' if _is_short(words) else code.group()


def _together(word: re.Match[str]) -> str:
    return f'<span class="tg-together">{word.group()}</span>' if _is_short(word.group()) else word.group()


def _is_short(word: str) -> bool:
    return len(unescape(word)) <= _LONGEST
