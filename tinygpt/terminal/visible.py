"""Text from a model, a corpus or a file name, made safe for a terminal or a page."""

from __future__ import annotations

import unicodedata
from typing import IO

_BLANKS = 10_000  # so many characters of a long text may be blanks before its first line ends
_PICTURES = 0x2400  # from U+2400 on: one picture per C0 control character
_DELETE, _DELETE_PICTURE = 0x7F, "\u2421"
# categories: controls, format characters, private use, line and paragraph separators
_NAMED = frozenset({"Cc", "Cf", "Co", "Zl", "Zp"})


def visible_text(text: str, keep: str = "\n\t") -> str:
    """Replace characters that are invisible or reorder others: escape sequences, reversed writing.

    C0 controls become their pictures (␀ to ␟, ␡); C1 controls, format characters (bidirectional overrides, zero-width
    characters, byte-order marks), private-use characters, noncharacters and line separators become ``‹U+202E›``; a lone
    surrogate, which no UTF-8 file can hold, becomes U+FFFD.

    Args:
        text: any string.
        keep: control characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(char if char in keep or char.isprintable() else _visible(char) for char in text)


def one_line(text: str, limit: int = 160) -> str:
    """Return a short single line of visible characters; what is cut off is replaced by ``…``."""
    line = visible_text(" ".join(text[: limit + _BLANKS].split()), keep="")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _visible(char: str) -> str:
    code, category = ord(char), unicodedata.category(char)
    if code < 0x20:
        return chr(_PICTURES + code)
    if code == _DELETE:
        return _DELETE_PICTURE
    if category == "Cs":
        return "\ufffd"
    noncharacter = 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE  # which HTML does not allow either
    return f"‹U+{code:04X}›" if category in _NAMED or noncharacter else char


def encodable(text: str, stream: IO[str]) -> str:
    """Replace characters outside the stream's encoding by question marks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)
