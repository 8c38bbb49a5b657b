"""Texts that anchor the grades: what noise, counting, impostors and the author look like, and the grade of each.

A counting model is judged as any model is: by its texts, its loss, and the bytes that it looks back. The others are
texts without a model:

    noise, shuffled words     the author's text without its letters, without its order
    half a text, twice        the second half repeats the first
    shuffled lines            of the training text
    stitches                  of 47 bytes each, copied from the training text
    a recitation              750 bytes of the training text in one of the texts
    mixed with noise          two of the texts are noise
    near-copies               of the training text, every fifth word replaced
    swapped words             the author's text, every fifth word exchanged with the next
    the author                pieces of the held-out text
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from types import MappingProxyType

import numpy as np

from tinygpt.corpora import Corpus
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.grades import Judgement, ModelMeasures, judge
from tinygpt.evaluation.ladder import Rung, corpus_ladder, standing
from tinygpt.evaluation.measures import Author, is_recited
from tinygpt.evaluation.pieces import random_pieces, spread
from tinygpt.evaluation.scores import EvaluationSettings
from tinygpt.evaluation.scrambles import scramble, with_words
from tinygpt.tokenizers import as_text

_STITCH = 47  # bytes
_RECITED = 0.75  # of a text
_NOISY = 4  # one text in so many is noise
_DRAWS = 20  # sets of the author's pieces


@dataclass(frozen=True)
class Anchor:
    """A text with its grade.

    Attributes:
        name: of its writer.
        rung: the counting model that wrote it; None if none did.
        judgement: of as many texts as a model writes.
        text: the first of them.
    """

    name: str
    rung: Rung | None
    judgement: Judgement
    text: str


@dataclass(frozen=True)
class Draws:
    """Grades of several sets of the author's own pieces, from random places.

    Attributes:
        grades: of each set.
        memorized: the flag of each.
    """

    grades: tuple[str, ...]
    memorized: tuple[bool, ...]


def make_anchors(
    corpus: Corpus,
    settings: EvaluationSettings | None = None,
    announce: Callable[[str], None] = lambda _text: None,
) -> tuple[Anchor, ...]:
    """Make and judge a corpus's anchors, from noise to the author; equal arguments give equal anchors.

    Args:
        corpus: the text.
        settings: number and length of the texts.
        announce: receives a line before each, as a counting model takes some seconds.

    Raises:
        CorpusError: a part of the corpus is too short; see :func:`tinygpt.evaluation.evaluate_model`.
    """
    settings = settings or EvaluationSettings()
    author, ladder = Author(corpus, settings.n_texts, settings.n_tokens), corpus_ladder(corpus)
    own = spread(author.pieces, settings.n_texts)

    def written() -> Iterator[tuple[str, Rung | None, Sequence[bytes], ModelMeasures | None]]:
        yield "noise", None, scramble("noise", own, author.known), None
        for rung in ladder.rungs:
            announce(f"a text of {rung}")
            place = standing(rung.nats, ladder.parts[rung.order - 1], ladder)
            yield rung.name, rung, _counted_texts(corpus, rung, settings), ModelMeasures(place, rung.order - 1)
        for name, write in IMPOSTORS.items():
            yield name, None, write(corpus, author, own), None
        yield "the author", None, own, None

    return tuple(
        Anchor(name, rung, judge(author.measure(texts), measures), as_text(texts[0]))
        for name, rung, texts, measures in written()
    )


def _counted_texts(corpus: Corpus, rung: Rung, settings: EvaluationSettings) -> list[bytes]:
    model = CountingModel(corpus.train, rung.order)
    return [model.generate(settings.n_tokens, seed) for seed in range(settings.n_texts)]


def draw_author(corpus: Corpus, settings: EvaluationSettings | None = None) -> Draws:
    """Judge 20 sets of the author's pieces from random places, except those with a passage of the training text."""
    settings = settings or EvaluationSettings()
    author, rng = Author(corpus, settings.n_texts, settings.n_tokens), np.random.default_rng(0)
    judged = []
    for _ in range(_DRAWS):
        pieces: list[bytes] = []
        while len(pieces) < settings.n_texts:
            found = random_pieces(corpus.held_out, settings.n_texts, settings.n_tokens, rng)
            pieces += [piece for piece in found if not is_recited(author.index.matches(piece))] or found
        judged.append(judge(author.measure(pieces[: settings.n_texts])))
    return Draws(tuple(found.grade for found in judged), tuple(found.memorized for found in judged))


# ---- impostors ---------------------------------------------------------------------------------------------


def _shuffled_words(_corpus: Corpus, author: Author, own: Sequence[bytes]) -> list[bytes]:
    return scramble("words", own, author.known)


def _half_twice(_corpus: Corpus, _author: Author, own: Sequence[bytes]) -> list[bytes]:
    return [piece[: len(piece) // 2] * 2 for piece in own]


def _shuffled_lines(corpus: Corpus, _author: Author, own: Sequence[bytes]) -> list[bytes]:
    lines = corpus.train.splitlines(keepends=True)
    order = cycle(np.random.default_rng(0).permutation(len(lines)))
    texts = []
    for piece in own:
        text = b""
        while len(text) < len(piece):
            text += lines[next(order)]
        texts.append(text[: len(piece)])
    return texts


def _every_fifth_word(
    change: Callable[[list[str], int, np.random.Generator], None],
) -> Callable[[Sequence[bytes]], list[bytes]]:
    def write(pieces: Sequence[bytes]) -> list[bytes]:
        rng = np.random.default_rng(0)

        def changed(words: list[str]) -> list[str]:
            for index in range(0, len(words) - 1, 5):
                change(words, index, rng)
            return words

        return [with_words(piece, changed) for piece in pieces]

    return write


def _replace(words: list[str], index: int, rng: np.random.Generator) -> None:
    words[index] = words[rng.integers(len(words))]


def _swap(words: list[str], index: int, _rng: np.random.Generator) -> None:
    words[index], words[index + 1] = words[index + 1], words[index]


def _near_copy(corpus: Corpus, _author: Author, own: Sequence[bytes]) -> list[bytes]:
    size = len(own[0])
    starts = np.linspace(0, max(0, len(corpus.train) - size), len(own), dtype=int)
    return _every_fifth_word(_replace)([corpus.train[start : start + size] for start in starts])


def _swapped(_corpus: Corpus, _author: Author, own: Sequence[bytes]) -> list[bytes]:
    return _every_fifth_word(_swap)(own)


def _stitches(corpus: Corpus, _author: Author, own: Sequence[bytes]) -> list[bytes]:
    rng = np.random.default_rng(0)

    def stitched(size: int) -> bytes:
        starts = rng.integers(0, max(1, len(corpus.train) - _STITCH), -(-size // _STITCH))
        return b"".join(corpus.train[start : start + _STITCH] for start in starts)[:size]

    return [stitched(len(piece)) for piece in own]


def _recitation(corpus: Corpus, _author: Author, own: Sequence[bytes]) -> list[bytes]:
    first, size = own[0], int(_RECITED * len(own[0]))
    start = corpus.train.find(b"\n", len(corpus.train) // 3) + 1
    return [corpus.train[start : start + size] + first[size:], *own[1:]]


def _mixed_with_noise(_corpus: Corpus, author: Author, own: Sequence[bytes]) -> list[bytes]:
    n_noisy = max(1, len(own) // _NOISY)
    return [*own[n_noisy:], *scramble("noise", own[:n_noisy], author.known)]


IMPOSTORS: Mapping[str, Callable[[Corpus, Author, Sequence[bytes]], list[bytes]]] = MappingProxyType(
    {
        "shuffled words": _shuffled_words,
        "half a text, twice": _half_twice,
        "shuffled lines of the training text": _shuffled_lines,
        "stitches of 47 bytes": _stitches,
        "a recitation of 750 bytes": _recitation,
        "two texts of noise in eight": _mixed_with_noise,
        "training text, every fifth word replaced": _near_copy,
        "the author, every fifth word swapped with the next": _swapped,
    }
)
"""Name → what writes as many and as long texts as the author's own."""
