"""Words: the share of generated words that exist, and the share that is not repeated.

A word is a longest run of letters, with apostrophes inside it ("don't" is one, "'tis" begins at its t), in lower
case. The words that exist are those of the training text, which is its own dictionary for every language and century;
for Python source these are names and keywords. Nearly all words of a model that can spell are in it. A model that draws
letters matches it by chance, mostly with the shortest words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def words_of(text: str) -> list[str]:
    """List a text's words in order."""
    return _WORD.findall(text.lower())


def whole_words(text: str) -> list[str]:
    """List the words of a text that may end inside a word, without that last one."""
    matches = list(_WORD.finditer(text.lower()))
    return [match.group() for match in matches if match is not matches[-1] or match.end() < len(text)]


def lexicon(text: bytes) -> frozenset[str]:
    """Return a text's words, which are the words that exist."""
    return frozenset(words_of(text.decode("utf-8", errors="replace")))


def real_share(words: Sequence[str], known: frozenset[str]) -> float:
    """Return the share of words that exist, or 0 without any words."""
    return sum(word in known for word in words) / len(words) if words else 0.0


def distinct_share(texts: Iterable[Sequence[str]], n: int) -> float:
    """Return the share of distinct n-grams of words (distinct-n, Li et al. 2016), or 0 without any.

    No n-gram spans two texts, each of which is a list of words.
    """
    grams = [gram for words in texts for gram in zip(*(islice(words, start, None) for start in range(n)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 0.0
