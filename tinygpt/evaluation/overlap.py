"""Copied text: the longest substrings of a model's text that occur in the training text, byte for byte.

The training text's suffixes are sorted once (a suffix array, by libdivsufsort through the package pydivsufsort:
megabytes in a second). Bisection then finds the longest match from each byte on: the suffix with the longest common
prefix is adjacent to the position where the rest of the text would be sorted in.

Blanks are not copied text: a window counts only if at least half of it is not blank, and the longest copy is the one
with the most other bytes.
"""

from __future__ import annotations

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
        windows: number of windows of ``WINDOW`` bytes in the texts, without the mostly blank ones.
        verbatim: number of windows that occur in the training text.
    """

    longest: bytes
    windows: int
    verbatim: int

    @property
    def share(self) -> float:
        """Share of verbatim windows; 0 without any windows."""
        return self.verbatim / self.windows if self.windows else 0.0


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

    def overlap(self, texts: list[bytes]) -> Overlap:
        """Measure the overlap of several texts, each separately."""
        longest, most, windows, verbatim = b"", 0, 0, 0
        for text in texts:
            ink = np.cumsum([0, *(byte not in _BLANK for byte in text)])  # (n + 1,), bytes that are not blank
            # The match at the next byte is at most one byte shorter, so twice its length is a good first limit.
            match = 0
            for start in range(len(text)):
                limit = max(2 * WINDOW, 2 * match)
                match = self.longest_match(text[start : start + limit])
                while match == limit and start + limit < len(text):
                    limit *= 2
                    match = self.longest_match(text[start : start + limit])
                if ink[start + match] - ink[start] > most:
                    longest, most = text[start : start + match], ink[start + match] - ink[start]
                if start + WINDOW <= len(text) and 2 * (ink[start + WINDOW] - ink[start]) >= WINDOW:
                    windows += 1
                    verbatim += match >= WINDOW
        return Overlap(longest, windows, verbatim)


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
