"""Words: which of those that a model writes exist, and how often it repeats itself.

A word is a longest run of letters, with apostrophes inside it ("don't" is one, "'tis" begins at its t), in lower
case. The words that exist are those of the training text: the corpus is its own dictionary, whatever its language or
century, and for Python source the names and keywords of Python. A model that spells has nearly all of its words in it;
a model that draws letters hits it by chance, mostly with the shortest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def words_of(text: str) -> list[str]:
    """A text's words in order."""
    return _WORD.findall(text.lower())


def whole_words(text: str) -> list[str]:
    """The words of a text that was cut off after so many bytes: without the last one if it touches the end."""
    found = list(_WORD.finditer(text.lower()))
    if found and found[-1].end() == len(text):
        found.pop()
    return [match.group() for match in found]


def lexicon(text: bytes) -> frozenset[str]:
    """The words that exist: all of a text's."""
    return frozenset(words_of(text.decode("utf-8", errors="replace")))


def real_share(words: Sequence[str], known: frozenset[str]) -> float:
    """Share of words that exist; 0 without any words."""
    return sum(word in known for word in words) / len(words) if words else 0.0


def distinct_share(texts: Iterable[Sequence[str]], n: int) -> float:
    """Distinct n-grams of words over all of them (distinct-n, Li et al. 2016); 0 without any.

    Args:
        texts: each text's words; no n-gram reaches from one text into the next.
        n: words in an n-gram.
    """
    grams = [gram for words in texts for gram in zip(*(islice(words, start, None) for start in range(n)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 0.0
