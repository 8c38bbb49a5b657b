"""Words: those that exist, and the pairs and triples in which they follow one another.

A word is a longest run of letters, with apostrophes inside it ("don't" is one, "'tis" begins at its t), in lower
case. The words that exist are those of the training text, which is its own dictionary for every language and century;
for Python source these are names and keywords. A model that draws letters matches it by chance, mostly with the
shortest words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
COMMONEST = 100  # words of a text that any page of it repeats: "the", "and", "self", "return"


def words_of(text: str) -> list[str]:
    """List a text's words in order."""
    return WORD.findall(text.lower())


def whole_words(text: str) -> list[str]:
    """List the words of a text that may end inside a word, without that last one."""
    matches = list(WORD.finditer(text.lower()))
    return [match.group() for match in matches if match is not matches[-1] or match.end() < len(text)]


class KnownWords:
    """The words, pairs and triples of a training text.

    Attributes:
        names: the words in the order of their first occurrence.
        sequence: the whole text as indices into ``names``, (n,) int64.
        commonest: the ``COMMONEST`` most frequent words.
    """

    def __init__(self, text: bytes) -> None:
        words = words_of(text.decode("utf-8", errors="replace"))
        self._numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
        self.names = tuple(self._numbers)
        self.sequence = np.array([self._numbers[word] for word in words], np.int64)
        counts = np.bincount(self.sequence, minlength=len(self.names))
        self.commonest = frozenset(self.names[number] for number in (-counts).argsort(kind="stable")[:COMMONEST])
        pairs = self._joined(self.sequence[:-1], self.sequence[1:])
        self._pairs = np.unique(pairs)
        self._triples = np.unique(self._joined(np.searchsorted(self._pairs, pairs[:-1]), self.sequence[2:]))

    def __contains__(self, word: str) -> bool:
        return word in self._numbers

    def known_pairs(self, words: Sequence[str]) -> tuple[int, int]:
        """Count the adjacent pairs of words that follow one another in the text, and all pairs."""
        known, _ = self._pairs_of(words)
        return int(known.sum()), len(known)

    def known_triples(self, words: Sequence[str]) -> tuple[int, int]:
        """Count the triples of known pairs: those that follow one another in the text, and all."""
        known, rank = self._pairs_of(words)
        possible = known[:-1] & known[1:]
        triples = self._joined(rank[:-1], self._numbered(words)[2:])
        return int((possible & _is_in(triples, self._triples)[0]).sum()), int(possible.sum())

    def _numbered(self, words: Sequence[str]) -> np.ndarray:
        return np.array([self._numbers.get(word, -1) for word in words], np.int64)

    def _joined(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        return first * (len(self.names) + 1) + last

    def _pairs_of(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return, for each adjacent pair, if it is known, and its rank among the known ones."""
        numbers = self._numbered(words)
        found, rank = _is_in(self._joined(numbers[:-1], numbers[1:]), self._pairs)
        return found & (numbers[:-1] >= 0) & (numbers[1:] >= 0), rank


def _is_in(values: np.ndarray, ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which values are in a sorted array, and their places in it."""
    places = np.searchsorted(ordered, values)
    found = np.zeros(len(values), bool)
    inside = places < len(ordered)
    found[inside] = ordered[places[inside]] == values[inside]
    return found, places
