"""Copied text: the substrings of a text that occur in the training text, byte for byte.

The training text's suffixes are sorted once (a suffix array, by libdivsufsort through the package pydivsufsort:
megabytes in a second). Bisection then finds the longest match from each byte on: the suffix with the longest common
prefix is adjacent to the position where the rest of the text would be sorted in.

    text     ....CCCCCCCCCCCCCCCC.....CCCCCC....     C: a byte inside a match of at least ``WINDOW`` bytes
    covered  the share of C

Blanks are not copied text: a match counts only if half a window of it is not blank, only other bytes are counted, and
the longest copy is the one with the most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinygpt.errors import MissingDependencyError

_BLANK = frozenset(b" \t\r\n\v\f")
WINDOW = 50  # bytes, eight to ten words: longer than the phrases that a language repeats by itself


@dataclass(frozen=True)
class Overlap:
    """The copied part of some texts.

    Attributes:
        longest: the longest substring that occurs in the training text.
        covered: bytes of each text inside matches of at least ``WINDOW`` bytes, without blanks.
        sizes: bytes of each text without blanks.
    """

    longest: bytes
    covered: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def share(self) -> float:
        """Share of covered bytes; 0 without any bytes."""
        return sum(self.covered) / max(1, sum(self.sizes))


class TextIndex:
    """An index of a text, of at least one byte, for searching substrings.

    Raises:
        MissingDependencyError: pydivsufsort is not installed.
    """

    def __init__(self, text: bytes) -> None:
        try:
            from pydivsufsort import divsufsort
        except ImportError as error:
            raise MissingDependencyError(
                "looking for copied text needs the package pydivsufsort",
                "an installed pydivsufsort",
                "pip install 'tinygpt[evaluate]'",
            ) from error
        self.text = text
        self._suffixes: np.ndarray = divsufsort(text)  # (n,), starts of the suffixes in order

    def longest_match(self, query: bytes) -> int:
        """Return the length of the longest prefix of the query that occurs in the text."""
        low, high, size = 0, len(self._suffixes), len(query)
        while low < high:
            middle = (low + high) // 2
            start = int(self._suffixes[middle])
            if self.text[start : start + size] < query:
                low = middle + 1
            else:
                high = middle
        neighbours = (int(self._suffixes[index]) for index in (low - 1, low) if 0 <= index < len(self._suffixes))
        return max(_common(self.text[start : start + size], query) for start in neighbours)

    def overlap(self, texts: Sequence[bytes]) -> Overlap:
        """Measure the overlap of several texts, each separately."""
        longest, most, covered, sizes = b"", 0, [], []
        for text in texts:
            inked = np.array([byte not in _BLANK for byte in text], bool)
            ink = np.concatenate(([0], inked.cumsum()))  # (n + 1,), bytes that are not blank
            copied = np.zeros(len(text), bool)
            # The match at the next byte is at most one byte shorter, so twice its length is a good first limit.
            match = 0
            for start in range(len(text)):
                limit = max(2 * WINDOW, 2 * match)
                match = self.longest_match(text[start : start + limit])
                while match == limit and start + limit < len(text):
                    limit *= 2
                    match = self.longest_match(text[start : start + limit])
                matched = int(ink[start + match] - ink[start])
                if matched > most:
                    longest, most = text[start : start + match], matched
                if match >= WINDOW and 2 * matched >= WINDOW:
                    copied[start : start + match] = True
            covered.append(int((copied & inked).sum()))
            sizes.append(int(inked.sum()))
        return Overlap(longest, tuple(covered), tuple(sizes))


def _common(a: bytes, b: bytes) -> int:
    """Return the length of two texts' common prefix."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
