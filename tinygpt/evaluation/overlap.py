"""Copied text: the substrings of a text that occur in the training text, byte for byte, or earlier in the text itself.

The training text's suffixes are sorted once (a suffix array, by libdivsufsort through the package pydivsufsort:
megabytes in a second). Bisection among those that begin with the same two bytes then finds the longest match from each
byte on: the suffix with the longest common prefix is adjacent to the position where the rest of the text would be
sorted in.

    text     ....CCCCCCCCCCCCCCCC.....CCCCCC....     C: a byte inside a match of so many bytes or more
    covered  the number of C

Blanks are not copied text: a match counts only if it has half as many other bytes as the least length, only other
bytes are counted, and the longest copy is the one with the most of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tinygpt.errors import MissingDependencyError

_BLANK = np.isin(np.arange(256), np.frombuffer(b" \t\r\n\v\f", np.uint8))
_FIRST_LIMIT = 100  # bytes of a match to look for at first


@dataclass(frozen=True)
class Matches:
    """The longest match from each byte of a text on.

    Attributes:
        text: n bytes.
        lengths: of the matches, (n,).
    """

    text: bytes
    lengths: np.ndarray

    @cached_property
    def _ink(self) -> np.ndarray:
        """Number of bytes before each place that are not blank, (n + 1,)."""
        return np.append(0, (~_BLANK[np.frombuffer(self.text, np.uint8)]).cumsum())

    @cached_property
    def _matched(self) -> np.ndarray:
        """Number of bytes in each match that are not blank, (n,)."""
        places = np.arange(len(self.text))
        return self._ink[places + self.lengths] - self._ink[places]

    @property
    def size(self) -> int:
        """Number of bytes that are not blank."""
        return int(self._ink[-1])

    def covered(self, least: int) -> int:
        """Count the bytes inside matches of at least so many bytes, without blanks."""
        starts = np.flatnonzero((self.lengths >= least) & (2 * self._matched >= least))
        edges = np.zeros(len(self.text) + 1, np.int64)
        np.add.at(edges, starts, 1)
        np.add.at(edges, starts + self.lengths[starts], -1)
        return int(np.diff(self._ink)[edges.cumsum()[:-1] > 0].sum())

    @property
    def longest(self) -> bytes:
        """The longest match."""
        if not self.text:
            return b""
        start = int(self._matched.argmax())
        return self.text[start : start + int(self.lengths[start])] if self._matched[start] else b""


def self_matches(text: bytes, least: int) -> Matches:
    """Match a text with what comes earlier in it: each byte has a match of ``least`` bytes, or none."""
    seen: set[bytes] = set()
    lengths = np.zeros(len(text), np.int64)
    for start in range(len(text) - least + 1):
        window = text[start : start + least]
        lengths[start] = least if window in seen else 0
        seen.add(window)
    return Matches(text, lengths)


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
        suffixes: np.ndarray = divsufsort(text)  # (n,), starts of the suffixes in order
        self._suffixes = suffixes.view(suffixes.dtype.newbyteorder("=")).data  # items are plain numbers
        self._places = _places_of_pairs(text).data

    def longest_match(self, query: bytes) -> int:
        """Return the length of the longest prefix of the query that occurs in the text."""
        text, suffixes, size = self.text, self._suffixes, len(query)
        pair = int.from_bytes(query[:2])
        low, high = (self._places[pair], self._places[pair + 1]) if size > 1 else (0, len(text))
        while low < high:
            middle = (low + high) // 2
            start = suffixes[middle]
            if text[start : start + size] < query:
                low = middle + 1
            else:
                high = middle
        neighbours = (suffixes[index] for index in (low - 1, low) if 0 <= index < len(text))
        return max(_common(text[start : start + size], query) for start in neighbours)

    def matches(self, text: bytes) -> Matches:
        """Find the longest match from each byte of a text on."""
        lengths = np.zeros(len(text), np.int64)
        match = 0
        for start in range(len(text)):
            # The match at the next byte is at most one byte shorter, so twice its length is a good first limit.
            limit = max(_FIRST_LIMIT, 2 * match)
            match = self.longest_match(text[start : start + limit])
            while match == limit and start + limit < len(text):
                limit *= 2
                match = self.longest_match(text[start : start + limit])
            lengths[start] = match
        return Matches(text, lengths)


def _places_of_pairs(text: bytes) -> np.ndarray:
    """Return the number of suffixes that are sorted before each pair of bytes, (65537,) int64."""
    tokens = np.frombuffer(text, np.uint8).astype(np.uint16)
    places = np.append(0, np.bincount(tokens[:-1] << 8 | tokens[1:], minlength=65536).cumsum())
    places[int(tokens[-1]) << 8 :] += 1  # the last byte is a suffix by itself
    return places


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
