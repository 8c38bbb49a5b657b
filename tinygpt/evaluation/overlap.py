"""What a model copied: the longest stretches of its text that stand in the training text, byte for byte.

The training text's suffixes are sorted once (a suffix array, by libdivsufsort through the package pydivsufsort:
megabytes in a second). The longest stretch that begins at a byte is then found by bisection: of all suffixes, the one
that shares most with the text from here stands next to where the text from here would be sorted in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygpt.errors import MissingDependencyError

WINDOW = 50  # bytes, eight to ten words: longer than the phrases that a language repeats by itself


@dataclass(frozen=True)
class Overlap:
    """How much of some texts is copied.

    Attributes:
        longest: the longest stretch found in the training text.
        windows: windows of ``WINDOW`` bytes in the texts.
        verbatim: those that stand in the training text as they are.
    """

    longest: bytes
    windows: int
    verbatim: int

    @property
    def share(self) -> float:
        """Share of the windows that are verbatim; 0 without any windows."""
        return self.verbatim / self.windows if self.windows else 0.0


class TextIndex:
    """A text in which stretches can be looked up.

    Args:
        text: at least one byte.

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
        """How many of the query's first bytes stand somewhere in the text, as one stretch."""
        low, high, size = 0, len(self._suffixes), len(query)
        while low < high:
            middle = (low + high) // 2
            start = int(self._suffixes[middle])
            if self.text[start : start + size] < query:
                low = middle + 1
            else:
                high = middle
        neighbours = (int(self._suffixes[place]) for place in (low - 1, low) if 0 <= place < len(self._suffixes))
        return max(_common(self.text[start : start + size], query) for start in neighbours)

    def overlap(self, texts: list[bytes]) -> Overlap:
        """Look texts up, each for itself."""
        longest, windows, verbatim = b"", 0, 0
        for text in texts:
            # What begins at the next byte is at most one shorter; only as many bytes as can matter are compared.
            reach = 0
            for place in range(len(text)):
                limit = max(2 * WINDOW, 2 * reach)
                match = self.longest_match(text[place : place + limit])
                while match == limit and place + limit < len(text):
                    limit *= 2
                    match = self.longest_match(text[place : place + limit])
                reach = match
                if match > len(longest):
                    longest = text[place : place + match]
                if place + WINDOW <= len(text):
                    windows += 1
                    verbatim += match >= WINDOW
        return Overlap(longest, windows, verbatim)


def _common(a: bytes, b: bytes) -> int:
    """Length of what two texts begin with in common."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
