"""Escape text that a model, a corpus or a crashed process wrote. Such text is untrusted and may be unreadable.

A model trained on HTML writes ``<script>``; one trained on bytes writes control characters. The escaping depends on
where the text goes:

* :func:`html_block`: inside an element of a Markdown page, where Markdown, Jinja and HTML must all ignore it;
* :func:`html_attribute`: an attribute's value;
* :func:`json_text`: JSON that may end up inside a ``<script>`` element.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tinygpt.terminal.visible import visible_text

# Everything but letters, digits and blanks becomes a numeric entity, so no Markdown, Jinja or HTML syntax survives.
_SPECIAL = re.compile(r"[^A-Za-z0-9 ]")
# Inside JSON strings only; both spellings mean the same to a JSON parser.
_JSON_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def html_block(text: str) -> str:
    """Escape text for the content of an HTML element in a Markdown page; line breaks are kept."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match.group())};", visible_text(text, keep="\n"))


def html_attribute(text: str) -> str:
    """Escape text for a double-quoted attribute, on one line."""
    return html_block(" ".join(text.split("\n")))


def json_text(value: Any) -> str:
    """Encode as JSON that is safe inside ``<script>``: it holds no ``<``, ``>``, ``&`` or line separator.

    Raises:
        ValueError: the value holds NaN or an infinity, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda match: _JSON_ESCAPES[match.group()], text)
