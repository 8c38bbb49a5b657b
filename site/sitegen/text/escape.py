"""Text that a model, a corpus or a crashing process wrote is untrusted: here it becomes harmless, and readable.

A model trained on HTML will write ``<script>``; one trained on bytes will write control characters. Three
consumers have three sets of special characters, so the escaping is chosen by where the text goes:

* :func:`html_block` is for text inside an element of a Markdown page (Markdown, Jinja and HTML all inert);
* :func:`html_attribute` is for attribute values;
* :func:`json_text` is for JSON that may end up inside a ``<script>`` element.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tinygpt.terminal.visible import visible_text

# Everything but letters, digits and blanks leaves as a numeric entity: no Markdown, Jinja or HTML syntax survives.
_SPECIAL = re.compile(r"[^A-Za-z0-9 ]")
# Inside JSON strings only; both spellings mean the same to a JSON parser.
_JSON_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def html_block(text: str) -> str:
    """Untrusted text as the content of an HTML element in a Markdown page, line breaks included."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match.group())};", visible_text(text, keep="\n"))


def html_attribute(text: str) -> str:
    """Untrusted text as a double-quoted attribute's value, on one line."""
    return html_block(" ".join(text.split("\n")))


def one_line(text: str, limit: int = 160) -> str:
    """Untrusted text as a short single line of visible characters (not yet HTML-escaped)."""
    line = visible_text(" ".join(text.split()), keep="")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def json_text(value: Any) -> str:
    """JSON that stays JSON inside ``<script>``: no ``<``, ``>``, ``&`` or line separator is left in it.

    Raises:
        ValueError: the value holds NaN or an infinity, which JSON cannot say.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda match: _JSON_ESCAPES[match.group()], text)
