"""Measures of texts beside the author's: equally long pieces of the held-out text, and those pieces scrambled.

    share    of a thing, counted in the texts together: words that exist, pairs of words that are known, …
    author   the same share of the held-out pieces, with its interval
    floor    the same share of the held-out pieces with that one thing destroyed (``scrambles.py``)

Intervals are bootstraps over whole texts, because words of one text are not independent. The author's is that of as
many pieces as there are texts, so that it shows how far a set of that size differs by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from tinygpt.corpora import Corpus
from tinygpt.data import Tokenizer
from tinygpt.evaluation.code_lines import parsing_lines
from tinygpt.evaluation.overlap import Overlap, TextIndex
from tinygpt.evaluation.scrambles import scramble
from tinygpt.evaluation.words import KnownWords, distinct_share, whole_words

MOST_PIECES = 64  # of held-out text
_RESAMPLES = 1000
_LEVEL = (0.05, 0.95)  # one set in twenty is below, one above
_CODE = 0.5  # share of the author's lines that parse from which the text is Python


@dataclass(frozen=True)
class Interval:
    """A share with the ends of its interval: nine of ten sets of such texts lie inside."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Measure:
    """A share of the texts beside the author's.

    Attributes:
        texts: of the texts.
        author: of as many equally long pieces of held-out text.
        floor: share in the scrambled pieces.
    """

    texts: Interval
    author: Interval
    floor: float

    @property
    def half_way(self) -> float:
        """The middle between the scrambled pieces and the author's."""
        return (self.floor + self.author.share) / 2

    @property
    def tells(self) -> bool:
        """The author's own interval is above the middle: at most one set of his pieces in twenty falls below."""
        return self.author.low > self.half_way


@dataclass(frozen=True)
class TextMeasures:
    """All measures of some texts.

    Attributes:
        shares: key of ``MEASURES`` → measure; ``lines`` only where the author writes Python.
        words: number of words.
        distinct: shares of distinct words, pairs and triples.
        author_distinct: the same for as many held-out pieces.
        covered: share of bytes inside copies of 50 bytes and more, with the author's; its floor is 0.
        longest_copy: the longest substring that occurs in the training text, with its length in bytes.
        author_longest_bytes: length of the longest one in the held-out pieces.
    """

    shares: Mapping[str, Measure]
    words: int
    distinct: tuple[float, float, float]
    author_distinct: tuple[float, float, float]
    covered: Measure
    longest_copy: str
    longest_bytes: int
    author_longest_bytes: int


_Count = tuple[float, float]  # of the thing in a text, and of all that could be it


@dataclass(frozen=True)
class _Text:
    """A text as the measures read it."""

    data: bytes
    text: str
    words: list[str]

    @classmethod
    def of(cls, data: bytes) -> _Text:
        return cls(data, as_text(data), whole_words(as_text(data)))


@dataclass(frozen=True)
class _Definition:
    """A measure: how a text is counted, and the scramble that is its floor."""

    floor: str
    count: Callable[[_Text, Author], _Count]


class Author:
    """The held-out pieces of a corpus, and the training text to look words and copies up in.

    Args:
        corpus: with a training part of at least one byte.
        n_texts: number of texts that will be compared.
        n_bytes: bytes of each.

    Raises:
        MissingDependencyError: the extra ``evaluate`` is not installed.
    """

    def __init__(self, corpus: Corpus, n_texts: int, n_bytes: int) -> None:
        self.index = TextIndex(corpus.train)
        self.known = KnownWords(corpus.train)
        self.byte_shares = _byte_shares(corpus.held_out)
        self.n_texts = n_texts
        self.pieces = pieces_of(corpus.held_out, MOST_PIECES, n_bytes)

    @cached_property
    def overlap(self) -> Overlap:
        """The held-out pieces' own copies."""
        return self.index.overlap(self.pieces)

    @cached_property
    def writes_python(self) -> bool:
        """Most lines of the held-out pieces are Python."""
        parsed, lines = np.sum([parsing_lines(piece.decode("utf-8", "replace")) for piece in self.pieces], axis=0)
        return bool(parsed >= _CODE * max(1, lines))

    @cached_property
    def shares(self) -> Mapping[str, tuple[Interval, float]]:
        """The author's interval and the floor of each measure."""
        own = list(map(_Text.of, self.pieces))
        return MappingProxyType(
            {
                name: (
                    interval([measure.count(text, self) for text in own], self.n_texts),
                    _share([measure.count(_Text.of(text), self) for text in self._scrambled(measure.floor)]),
                )
                for name, measure in MEASURES.items()
                if name != "lines" or self.writes_python
            }
        )

    def _scrambled(self, kind: str) -> list[bytes]:
        return scramble(kind, self.pieces, self.known)

    def measure(self, texts: Sequence[bytes]) -> TextMeasures:
        """Measure some texts, at least one."""
        read = list(map(_Text.of, texts))
        copied = self.index.overlap(texts)
        return TextMeasures(
            {
                name: Measure(interval([MEASURES[name].count(text, self) for text in read]), author, floor)
                for name, (author, floor) in self.shares.items()
            },
            sum(len(text.words) for text in read),
            _distinct(read),
            _distinct(list(map(_Text.of, spread(self.pieces, self.n_texts)))),
            Measure(
                interval(list(zip(copied.covered, copied.sizes, strict=True))),
                interval(list(zip(self.overlap.covered, self.overlap.sizes, strict=True)), self.n_texts),
                0.0,
            ),
            as_text(copied.longest),
            len(copied.longest),
            len(self.overlap.longest),
        )


def as_text(data: bytes) -> str:
    """Decode bytes; those that are not UTF-8 become U+FFFD."""
    return Tokenizer.decode(Tokenizer.encode(data))


def pieces_of(text: bytes, count: int, size: int) -> list[bytes]:
    """Take evenly spread pieces of a text that do not overlap, each from a line break on where there is one.

    A text that is shorter than ``size`` is one piece.
    """
    size = min(size, len(text))
    count = min(count, max(1, len(text) // max(1, size + size // 2)))  # room for the way to a line break
    last = len(text) - size
    starts = [last * index // max(1, count - 1) for index in range(count)]
    lines = [min(last, text.find(b"\n", start, start + size // 2) + 1 or start) for start in starts]
    return [text[start : start + size] for start in lines]


def spread(pieces: Sequence[bytes], count: int) -> list[bytes]:
    """Take so many of the pieces, evenly spread."""
    count = min(count, len(pieces))
    return [pieces[index * len(pieces) // count] for index in range(count)]


def interval(counts: Sequence[_Count], sample: int | None = None) -> Interval:
    """Bootstrap the share of some texts.

    Args:
        counts: of each text.
        sample: number of texts to resample; all of them by default.
    """
    table = np.array(counts, np.float64)  # (n, 2)
    drawn = np.random.default_rng(0).integers(0, len(table), (_RESAMPLES, sample or len(table)))
    hits, totals = table[drawn].sum(1).T
    shares = hits / np.where(totals > 0, totals, 1.0)
    return Interval(_share(counts), *map(float, np.quantile(shares, _LEVEL)))


def _share(counts: Sequence[_Count]) -> float:
    hits, totals = np.sum(counts, axis=0)
    return float(hits / totals) if totals else 0.0


def _distinct(texts: Sequence[_Text]) -> tuple[float, float, float]:
    words = [text.words for text in texts]
    return distinct_share(words, 1), distinct_share(words, 2), distinct_share(words, 3)


def _byte_shares(text: bytes) -> np.ndarray:
    """Return the share of each byte in a text, (256,)."""
    return np.bincount(np.frombuffer(text, np.uint8), minlength=256) / max(1, len(text))


# ---- the measures ------------------------------------------------------------------------------------------


def _letters(text: _Text, author: Author) -> _Count:
    """Bytes that are as frequent as the author's: what two histograms have in common."""
    return float(np.minimum(_byte_shares(text.data), author.byte_shares).sum()) * len(text.data), len(text.data)


def _words(text: _Text, author: Author) -> _Count:
    return sum(word in author.known for word in text.words), len(text.words)


def _returning(text: _Text, author: Author) -> _Count:
    """Words of the second half that the first half has too, without the commonest: names, subjects, variables."""
    middle = len(text.words) // 2
    first = {*text.words[:middle]}
    second = [word for word in text.words[middle:] if word not in author.known.commonest]
    return sum(word in first for word in second), len(second)


MEASURES: Mapping[str, _Definition] = MappingProxyType(
    {
        "letters": _Definition("noise", _letters),
        "words": _Definition("letters", _words),
        "pairs": _Definition("words", lambda text, author: author.known.known_pairs(text.words)),
        "triples": _Definition("pairs", lambda text, author: author.known.known_triples(text.words)),
        "lines": _Definition("words", lambda text, _author: parsing_lines(text.text)),
        "returning": _Definition("halves", _returning),
    }
)
"""Name → measure, in the order of the grades that need them."""
