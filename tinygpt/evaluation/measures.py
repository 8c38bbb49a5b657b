"""Measures of texts beside the author's: equally long pieces of the held-out text, and those pieces scrambled.

    share    of a thing, counted in the texts together and in each alone: words that exist, bytes in copies, …
    author   the same of the held-out pieces: the range of sets of as many pieces as there are texts, and of each piece
    floor    the same of the held-out pieces with that one thing destroyed (``scrambles.py``), for abilities

A held-out piece with a passage of the training text in it shows nothing of how the author writes, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.corpora import Corpus
from tinygpt.evaluation.code_lines import parsing_blocks, parsing_lines
from tinygpt.evaluation.overlap import Matches, TextIndex, self_matches
from tinygpt.evaluation.pieces import pieces_of, spread
from tinygpt.evaluation.scrambles import scramble
from tinygpt.evaluation.shares import Count, Measure, Reference, measure_of, reference_of
from tinygpt.evaluation.words import KnownWords, whole_words
from tinygpt.system.kept_values import kept_value
from tinygpt.tokenizers import as_text

MOST_PIECES = 256  # of held-out text
COPY_LENGTHS = (20, 30, 40, 50, 100, 200, 400)  # bytes: four words to a passage
SHORTEST_WORD = 3  # letters: letters at random spell "a", "is" and half of all variables
REPEATED = 30  # bytes that a text has had before
_MOST_SCRAMBLED = 64  # pieces
_CODE = 0.5  # share of the author's lines that parse from which the text is Python
_RECITED = (400, 0.25)  # a piece with a quarter of its bytes in copies of 400 and more is itself in the training text
_METHOD = "measures 2"  # part of the cache's key: other measures get another number


@dataclass(frozen=True)
class TextMeasures:
    """All measures of some texts.

    Attributes:
        shares: key of ``MEASURES`` → measure; some are of code only, some of prose only.
        words: number of words.
        longest_copy: the longest substring that occurs in the training text, with its length in bytes.
        author_longest_bytes: length of the longest one in the held-out pieces.
    """

    shares: Mapping[str, Measure]
    words: int
    longest_copy: str
    longest_bytes: int
    author_longest_bytes: int


class _Text:
    """A text as the measures read it."""

    def __init__(self, data: bytes, author: Author) -> None:
        self.data = data
        self.text = as_text(data)
        self.words = whole_words(self.text)
        self.author = author

    @cached_property
    def copies(self) -> Matches:
        """Its matches in the training text."""
        return self.author.index.matches(self.data)


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
        self.corpus = corpus
        self.index = TextIndex(corpus.train)
        self.n_texts = n_texts
        self.n_bytes = n_bytes

    @cached_property
    def known(self) -> KnownWords:
        """The words of the training text."""
        return KnownWords(self.corpus.train)

    @cached_property
    def byte_shares(self) -> np.ndarray:
        """The share of each byte in the held-out text, (256,)."""
        return _byte_shares(self.corpus.held_out)

    @property
    def pieces(self) -> list[bytes]:
        """The held-out pieces."""
        return [text.data for text in self._own]

    @cached_property
    def _own(self) -> list[_Text]:
        found = [_Text(piece, self) for piece in pieces_of(self.corpus.held_out, MOST_PIECES, self.n_bytes)]
        return [text for text in found if not is_recited(text.copies)] or found

    @cached_property
    def writes_python(self) -> bool:
        """Most lines of the held-out pieces are Python."""
        parsed, lines = np.sum([parsing_lines(text.text) for text in self._own], axis=0)
        return bool(parsed >= _CODE * max(1, lines))

    @cached_property
    def references(self) -> Mapping[str, Reference]:
        """The author's side of each measure, from the cache folder if it was measured before."""
        return MappingProxyType({name: Reference(**values) for name, values in self._kept["shares"].items()})

    @cached_property
    def _kept(self) -> dict[str, Any]:
        key = f"{_METHOD} {self.corpus.sha256} {self.n_texts} {self.n_bytes}"
        return kept_value("the author's side of the measures", "authors.json", key, self._measured, _is_kept)

    def _measured(self) -> dict[str, Any]:
        kinds = {"code" if self.writes_python else "prose", "both"}
        definitions = {name: definition for name, definition in MEASURES.items() if definition.kind in kinds}
        return {
            "longest": max(len(text.copies.longest) for text in self._own),
            "shares": {name: asdict(self._reference(definition)) for name, definition in definitions.items()},
        }

    def _reference(self, definition: _Definition) -> Reference:
        kind = definition.floor
        scrambled = scramble(kind, spread(self.pieces, _MOST_SCRAMBLED), self.known) if kind else []
        return reference_of(
            list(map(definition.count, self._own)),
            [definition.count(_Text(text, self)) for text in scrambled],
            self.n_texts,
        )

    def measure(self, texts: Sequence[bytes]) -> TextMeasures:
        """Measure some texts, at least one."""
        read = [_Text(text, self) for text in texts]
        longest = max((text.copies.longest for text in read), key=len)
        return TextMeasures(
            {name: measure_of(list(map(MEASURES[name].count, read)), own) for name, own in self.references.items()},
            sum(len(text.words) for text in read),
            as_text(longest),
            len(longest),
            int(self._kept["longest"]),
        )


def is_recited(copies: Matches) -> bool:
    """Say if a text has a passage of the training text in it: a licence, a module that exists twice."""
    least, share = _RECITED
    return copies.covered(least) > share * copies.size


def _byte_shares(text: bytes) -> np.ndarray:
    """Return the share of each byte in a text, (256,)."""
    return np.bincount(np.frombuffer(text, np.uint8), minlength=256) / max(1, len(text))


def _is_kept(value: object) -> bool:
    names = {field.name for field in fields(Reference)}
    return (
        isinstance(value, dict)
        and value.keys() == {"longest", "shares"}
        and isinstance(value["shares"], dict)
        and value["shares"].keys() <= MEASURES.keys()
        and all(isinstance(own, dict) and own.keys() == names for own in value["shares"].values())
    )


# ---- the measures ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Definition:
    """A measure.

    Attributes:
        count: counts a text.
        floor: the scramble that destroys this one thing; None for what an author has little of.
        kind: of text that it is for: ``prose``, ``code`` or ``both``.
    """

    count: Callable[[_Text], Count]
    floor: str | None = None
    kind: str = "both"


def _letters(text: _Text) -> Count:
    """Bytes that are as frequent as the author's: what two histograms have in common."""
    common = float(np.minimum(_byte_shares(text.data), text.author.byte_shares).sum())
    return common * len(text.data), len(text.data)


def _words(text: _Text) -> Count:
    longer = [word for word in text.words if len(word) >= SHORTEST_WORD]
    return sum(word in text.author.known for word in longer), len(longer)


def _returning(text: _Text) -> Count:
    """Words of the second half that the first half has too, without the commonest: names, subjects, variables."""
    middle = len(text.words) // 2
    first = {*text.words[:middle]}
    second = [word for word in text.words[middle:] if word not in text.author.known.commonest]
    return sum(word in first for word in second), len(second)


def _repeated(text: _Text) -> Count:
    found = self_matches(text.data, REPEATED)
    return found.covered(REPEATED), found.size


def _copied(least: int) -> Callable[[_Text], Count]:
    return lambda text: (text.copies.covered(least), text.copies.size)


MEASURES: Mapping[str, _Definition] = MappingProxyType(
    {
        "letters": _Definition(_letters, "noise"),
        "words": _Definition(_words, "letters"),
        "pairs": _Definition(lambda text: text.author.known.known_pairs(text.words), "words", "prose"),
        "lines": _Definition(lambda text: parsing_lines(text.text), "words", "code"),
        "triples": _Definition(lambda text: text.author.known.known_triples(text.words), "pairs", "prose"),
        "blocks": _Definition(lambda text: parsing_blocks(text.text), "lines", "code"),
        "returning": _Definition(_returning, "halves"),
        "repeated": _Definition(_repeated),
        **{f"copied_{least}": _Definition(_copied(least)) for least in COPY_LENGTHS},
    }
)
"""Name → measure, in the order of the grades that need them."""
