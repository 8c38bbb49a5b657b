"""Keep options on one line: a browser may break a line after any hyphen, even in code, and strand ``--`` there.

Short words with a hyphen or a question mark in inline code get the class ``tg-together``. Code blocks are not changed,
and neither are long words, which a phone has to break somewhere.
"""

from __future__ import annotations

import re
from html import unescape

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

_LONGEST = 30  # characters; about three quarters of a line on a phone
_BLOCK = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
_BREAKS = r"(?:[-?]|&#(?:45|63);)"  # a line may break after these; macros write them as entities
_CODE = re.compile(rf"<code>([^<]*{_BREAKS}[^<]*)</code>")
_WORD = re.compile(rf"\S*{_BREAKS}\S*")
_LAST = 5  # priority: after the HTML of macros and other extensions is back in its place


class NoWrap(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the step that reads a page's HTML."""
        md.postprocessors.register(_Step(md), "nowrap", _LAST)


class _Step(Postprocessor):
    def run(self, text: str) -> str:
        parts = _BLOCK.split(text)
        return "".join(part if part.startswith("<pre") else _CODE.sub(_keep_together, part) for part in parts)


def _keep_together(code: re.Match[str]) -> str:
    words = code[1]
    if re.search(r"\s", words):
        return f"<code>{_WORD.sub(_keep_word_together, words)}</code>"
    return f'<code class="tg-together">{words}</code>' if _is_short(words) else code.group()


def _keep_word_together(word: re.Match[str]) -> str:
    return f'<span class="tg-together">{word.group()}</span>' if _is_short(word.group()) else word.group()


def _is_short(word: str) -> bool:
    return len(unescape(word)) <= _LONGEST
