"""Find measured numbers that were typed by hand into the Markdown pages.

A typed number is true on the day it is typed. So a speedup, a time, a rate, a loss or a share in a page is either
filled in by a macro or marked: ``quoted("9.7×")`` (history of another project), ``setting("10 %")`` (a threshold, limit
or size that was chosen) or ``derived("5.545")`` (arithmetic that can be repeated on paper). Anything else stops the
build.

The check reads the source with macro calls, formulas and what the program writes blanked out; headings, tables, code
and descriptions count. A product of dimensions (8×8), the line 1× that ratios refer to, a version or a plain count is
not a measured number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import MappingProxyType

from sitegen.documents.pages import Page
from sitegen.documents.plain_blocks import BLOCK

_NUMBER = r"(?<![\w.,#/-])~?\d(?:[\d.,\u00a0\u202f]*\d)?(?:e-?\d+)?"
# Between the number and its unit: nothing, a blank, or the entity that keeps the two on one line.
_GAP = r"(?:[ \u00a0\u202f-]|&nbsp;)?"


def _with_unit(*units: str) -> re.Pattern[str]:
    return re.compile(rf"{_NUMBER}{_GAP}(?:{'|'.join(units)})(?![\w×])")


KINDS = MappingProxyType(
    {
        "speedup": _with_unit(r"×(?! ?\d)", r"x(?! ?\d)", r"times (?:as |faster|slower|less|more|the )", r"-?fold"),
        "rate": _with_unit(r"tokens?/s", r"tokens? (?:per|a|each) second", r"[kMGT]?B/s", r"steps?/s"),
        "arithmetic rate": _with_unit(r"[MGTP]?FLOPS?(?:/s| per second| a second)", r"[MGTP]FLOPS"),
        "time": _with_unit(
            r"ms", r"[µμu]s", r"ns", r"s", r"sec", r"min", r"h",
            r"(?:milli|micro|nano)?seconds?", r"minutes?", r"hours?",
        ),
        "share": _with_unit(r"%", r"per ?cent", r"percent"),
    }
)  # fmt: skip
_UNITY = "1×"
_NATS = _with_unit("nats")
_LOSS_WORD = re.compile(r"\bloss(?:es)?\b|\bplateau|\bnats?\b", re.IGNORECASE)
_DECIMAL = re.compile(r"(?<![\w.,/#-])\d{1,2}\.\d{1,4}(?![\w.]*\w)")
_SENTENCE_END = re.compile(r"(?<=[.!?:;|])\s|\n\s*\n|\n(?=[#|>*-])")

_MACRO = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_FORMULA = re.compile(r"\$\$.+?\$\$|(?<!\\)\$(?![\s$])[^$\n]+?\$", re.DOTALL)
_LINK_TARGET = re.compile(r"https?://\S+|(?<=\])\([^)\s]*|\{ ?[#.:][^}\n]*\}|<[^>\n]*>")


def typed_numbers(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line (from 1), kind and text of the measured numbers typed in a Markdown source, in its order."""
    prose = text
    for pattern in (BLOCK, _MACRO, _FORMULA, _LINK_TARGET):
        prose = pattern.sub(_blank, prose)
    found: dict[int, tuple[str, str]] = {}
    for kind, pattern in KINDS.items():
        for match in pattern.finditer(prose):
            if match.group() != _UNITY:
                found.setdefault(match.start(), (kind, match.group()))
    for match in _NATS.finditer(prose):
        found.setdefault(match.start(), ("loss", match.group()))
    for start, sentence in _sentences(prose):
        if _LOSS_WORD.search(sentence):
            for match in _DECIMAL.finditer(sentence):
                found.setdefault(start + match.start(), ("loss", match.group()))
    for position in sorted(found):
        kind, number = found[position]
        yield prose.count("\n", 0, position) + 1, kind, " ".join(number.split())


def check_typed_numbers(pages: Iterable[Page]) -> list[str]:
    """Find problems of the pages; each is one line naming page and line."""
    return [
        f"docs/{page.uri}, line {line}: the {kind} {number!r} is typed by hand; fill it in with number(…), or mark "
        f'it as quoted("{number}") (history), setting("{number}") (chosen) or derived("{number}") (computed on paper)'
        for page in pages
        for line, kind, number in typed_numbers(page.text)
    ]


def _blank(match: re.Match[str]) -> str:
    """Replace all but line breaks by NUL: positions stay, and no two words are joined."""
    return re.sub(r"[^\n]", "\x00", match.group())


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for end in _SENTENCE_END.finditer(text):
        yield start, text[start : end.start()]
        start = end.end()
    yield start, text[start:]
