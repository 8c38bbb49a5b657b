"""Held-out text with one thing destroyed: the texts below which the grades begin.

    noise      every byte drawn alike
    letters    the text's own bytes, shuffled: their frequencies are left
    words      its own words, shuffled: spelling is left, and punctuation stays in its place
    pairs      words drawn so that each follows one that it follows in the training text: no three need fit
    lines      its own lines, shuffled: each may parse, and none belongs to the one above it
    halves     the second half of another piece: each half is the author's, and they have nothing to do with each other

Each keeps what the one before it destroys and lacks what the author's own text has, so the author and a scramble
bracket one ability (``tinygpt.evaluation.grades``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tinygpt.evaluation.words import WORD, KnownWords

_Scramble = Callable[[Sequence[bytes], KnownWords, np.random.Generator], list[bytes]]


def scramble(kind: str, pieces: Sequence[bytes], known: KnownWords, seed: int = 0) -> list[bytes]:
    """Scramble pieces of a text.

    Args:
        kind: a key of ``SCRAMBLES``.
        pieces: of held-out text, each scrambled on its own.
        known: the words of the training text.
        seed: seeds the random choices.
    """
    return SCRAMBLES[kind](pieces, known, np.random.default_rng(seed))


def _noise(pieces: Sequence[bytes], _known: KnownWords, rng: np.random.Generator) -> list[bytes]:
    return [rng.integers(0, 256, len(piece), np.uint8).tobytes() for piece in pieces]


def _letters(pieces: Sequence[bytes], _known: KnownWords, rng: np.random.Generator) -> list[bytes]:
    return [rng.permutation(np.frombuffer(piece, np.uint8)).tobytes() for piece in pieces]


def _words(pieces: Sequence[bytes], _known: KnownWords, rng: np.random.Generator) -> list[bytes]:
    return [with_words(piece, lambda words: [words[i] for i in rng.permutation(len(words))]) for piece in pieces]


def _pairs(pieces: Sequence[bytes], known: KnownWords, rng: np.random.Generator) -> list[bytes]:
    # The places after each occurrence of a word, grouped by the word: one drawn from a group is a next word.
    before = known.sequence[:-1]
    following = known.sequence[1:][before.argsort(kind="stable")]
    ends = np.bincount(before, minlength=len(known.names)).cumsum()
    starts = np.concatenate(([0], ends[:-1]))

    def chain(words: list[str]) -> list[str]:
        number = int(rng.choice(known.sequence))
        drawn = []
        for _ in words:
            drawn.append(known.names[number])
            if starts[number] == ends[number]:  # the last word of the training text, and only there
                number = int(rng.choice(known.sequence))
            else:
                number = int(following[rng.integers(starts[number], ends[number])])
        return drawn

    return [with_words(piece, chain) for piece in pieces]


def _lines(pieces: Sequence[bytes], _known: KnownWords, rng: np.random.Generator) -> list[bytes]:
    rows = [piece.split(b"\n") for piece in pieces]
    return [b"\n".join(lines[i] for i in rng.permutation(len(lines))) for lines in rows]


def _halves(pieces: Sequence[bytes], _known: KnownWords, _rng: np.random.Generator) -> list[bytes]:
    # Neighbours may share a scene, so the other half comes from half the pieces further.
    others = [pieces[(index + (len(pieces) + 1) // 2) % len(pieces)] for index in range(len(pieces))]
    return [a[: len(a) // 2] + b[len(b) // 2 :] for a, b in zip(pieces, others, strict=True)]


def with_words(piece: bytes, change: Callable[[list[str]], list[str]]) -> bytes:
    """Replace the words of a piece of text by others, one for one; what is between them stays."""
    text = piece.decode("utf-8", errors="replace")
    words = iter(change(WORD.findall(text)))
    return WORD.sub(lambda _match: next(words), text).encode()


SCRAMBLES: Mapping[str, _Scramble] = MappingProxyType(
    {"noise": _noise, "letters": _letters, "words": _words, "pairs": _pairs, "lines": _lines, "halves": _halves}
)
