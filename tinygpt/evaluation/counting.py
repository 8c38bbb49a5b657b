"""Counting models: P(byte | the k − 1 bytes before it) from counts in the training text, by Kneser–Ney smoothing.

The model of order n interpolates its own counts with those of all shorter contexts:

    P_k(w | h) = (c(hw) − D(c(hw))) / c(h·) + (Σ_w D(c(hw)) / c(h·)) · P_{k−1}(w | h without its first byte)
    P_0(w)     = 1 / 256

h is a context of k − 1 bytes, w the next one; a context that was never seen leaves P_k = P_{k−1}. At order n, c counts
how often hw occurs. Below, c(hw) is the number of distinct bytes before hw, the start of the text being one more: a
shorter context is asked only where the longer one has not seen w, and there the question is in how many contexts w
occurs, not how often (Kneser & Ney, "Improved backing-off for m-gram language modeling", ICASSP 1995).

Every order has three discounts, for counts of one, two, and three or more ("modified" Kneser–Ney: Chen & Goodman, "An
empirical study of smoothing techniques for language modeling", Computer Speech & Language 13, 1999). With n_i the
number of its k-grams of count i:

    Y = n_1 / (n_1 + 2 n_2),   D_1 = 1 − 2 Y n_2 / n_1,   D_2 = 2 − 3 Y n_3 / n_2,   D_3 = 3 − 4 Y n_4 / n_3

An order where a D_i is undefined or outside 0 < D_i < i gets ½, 1 and 1½, as in KenLM's ``--discount_fallback``.

A k-gram is one number of up to 64 bits, its first byte the highest. Sorted, the k-grams of one context are adjacent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import whole_number
from tinygpt.data import in_bytes
from tinygpt.errors import CorpusError
from tinygpt.generation.decoding import EMPTY_PROMPT
from tinygpt.generation.sampling import SamplingSettings, choose_token
from tinygpt.tokenizers import BYTES

HIGHEST_ORDER = 8  # bytes in the 64 bits of a k-gram
_FALLBACK = (0.5, 1.0, 1.5)
UNIFORM = 1 / BYTES.vocab_size


class CountingModel:
    """A Kneser–Ney model of bytes.

    Args:
        train: the text to count, at least ``order`` bytes. For a moment, each takes some 50 bytes of memory.
        order: 1 to 8: the length of the counted pieces, so a byte is predicted from the ``order`` − 1 before it.

    Raises:
        ConfigError: the order is out of range.
        CorpusError: the text is shorter than the order.
    """

    def __init__(self, train: bytes, order: int) -> None:
        self.order = whole_number("order", order, 1, HIGHEST_ORDER)
        tokens = training_tokens(train, order)
        counted = tally(sorted_grams(tokens, order))
        levels = [Level.of(order, counted)]
        for k in range(order - 1, 0, -1):
            counted = count_predecessors(counted.grams, tokens, k)
            levels.append(Level.of(k, counted))
        self._levels = tuple(reversed(levels))  # by order, from 1

    def __repr__(self) -> str:
        return f"<counting model of order {self.order}: {len(self._levels[-1].grams):,} distinct {self.order}-grams>"

    def log_probabilities(self, text: bytes | np.ndarray) -> np.ndarray:
        """Return the natural logarithm of every byte's probability, given those before it.

        Args:
            text: bytes, (n,), or token ids (…, n), whose rows are separate texts.

        Returns:
            (…, n) float64. Byte i is predicted from as many as there are before it, up to ``order`` − 1.
        """
        tokens = text if isinstance(text, np.ndarray) else BYTES.encode(text)
        p = np.full(tokens.shape, UNIFORM)
        for level in self._levels:
            later = p[..., level.order - 1 :]
            later[...] = level.interpolate(level.find(grams_of(tokens, level.order)), later)
        return np.log(p)

    def loss(self, text: bytes | np.ndarray) -> float:
        """Return the mean over every byte but a text's first, nats per byte, which are those that a model predicts.

        Raises:
            CorpusError: the text is shorter than two bytes.
        """
        if len(text) < 2:
            raise CorpusError(f"the text has {in_bytes(len(text))}", "at least 2")
        return float(-self.log_probabilities(text)[1:].mean())

    def next_byte_probabilities(self, context: bytes) -> np.ndarray:
        """Return the distribution over the byte after a text of any length, (256,) float64."""
        p = np.full(BYTES.vocab_size, UNIFORM)
        for level in self._levels[: len(context) + 1]:
            level.distribution(int.from_bytes(context[len(context) - level.order + 1 :]), p)
        return p

    def generate(self, n_bytes: int, seed: int, temperature: float = 1.0) -> bytes:
        """Write a text from a line break on, which is not part of it; equal arguments give equal bytes.

        Raises:
            ConfigError: an argument is out of range.
        """
        settings = SamplingSettings(n_bytes, temperature, seed=seed)
        rng = np.random.default_rng(seed)
        text = bytearray(EMPTY_PROMPT)
        for _ in range(n_bytes):
            p = self.next_byte_probabilities(bytes(text[-HIGHEST_ORDER:]))
            text.append(choose_token(np.log(p), settings, rng))
        return bytes(text[len(EMPTY_PROMPT) :])


@dataclass(frozen=True)
class Counts:
    """Distinct k-grams (U,) uint64 in ascending order, and their counts (U,)."""

    grams: np.ndarray
    counts: np.ndarray


def training_tokens(train: bytes, order: int) -> np.ndarray:
    """Return a text's token ids (n,); raise a CorpusError if it is shorter than the order."""
    if len(train) < order:
        raise CorpusError(f"the training text has {in_bytes(len(train))}", f"at least {order} for order {order}")
    return BYTES.encode(train)


def grams_of(tokens: np.ndarray, k: int) -> np.ndarray:
    """Return the k-grams of texts (…, n) as numbers, (…, n − k + 1) uint64."""
    count = max(0, tokens.shape[-1] - k + 1)
    grams = tokens[..., :count].astype(np.uint64)
    for place in range(1, k):
        grams <<= 8
        grams |= tokens[..., place : place + count]
    return grams


def sorted_grams(tokens: np.ndarray, k: int) -> np.ndarray:
    """Return all k-grams of a text (n,) in ascending order, (n − k + 1,) uint64."""
    grams = grams_of(tokens, k)
    grams.sort()
    return grams


def count_grams(longest: np.ndarray, order: int, tokens: np.ndarray, k: int) -> Counts:
    """Count the k-grams of a text (n,), from its sorted grams of an order that is not lower: they begin with them."""
    if k == order:
        return tally(longest)
    grams = longest >> 8 * (order - k)
    last = sorted_grams(tokens[len(tokens) - order + 1 :], k)  # too near the end to begin a longer one
    return tally(np.insert(grams, grams.searchsorted(last), last))


def count_predecessors(longer: np.ndarray, tokens: np.ndarray, k: int) -> Counts:
    """Count the distinct bytes before each k-gram of a text (n,), its start as one, from its distinct (k + 1)-grams."""
    ends = np.append(longer & np.uint64(256**k - 1), grams_of(tokens[:k], k))
    ends.sort()
    return tally(ends)


def tally(grams: np.ndarray) -> Counts:
    """Count equal ones among grams in ascending order (n,)."""
    starts = run_starts(grams)
    return Counts(grams[starts], np.diff(starts, append=len(grams)))


def run_starts(values: np.ndarray) -> np.ndarray:
    """Return the first index of each run of equal values (n,)."""
    return np.flatnonzero(np.append(True, values[1:] != values[:-1]))


@dataclass(frozen=True)
class Places:
    """Places of k-grams among a level's.

    Attributes:
        index: place of each, or of another of the same context.
        found: the k-gram is there.
        known: its context is there.
    """

    index: np.ndarray
    found: np.ndarray
    known: np.ndarray


@dataclass(frozen=True)
class Level:
    """The counts of one order as shares: P_k = seen + rest · P_{k−1}.

    Attributes:
        order: k.
        grams: distinct k-grams, ascending, (U,) uint64.
        seen: discounted share of each in its context, (U,).
        rest: share that each one's context leaves to the shorter context, (U,).
    """

    order: int
    grams: np.ndarray
    seen: np.ndarray
    rest: np.ndarray

    @classmethod
    def of(cls, order: int, counted: Counts) -> Level:
        """Turn counts into shares."""
        grams, counts = counted.grams, counted.counts
        starts = run_starts(grams >> 8)  # of the contexts
        sizes = np.diff(starts, append=len(grams))
        discounts = np.array((0.0, *discounts_of(counts)))[np.minimum(counts, 3)]
        totals = np.add.reduceat(counts, starts)
        rest = np.add.reduceat(discounts, starts) / totals
        return cls(order, grams, (counts - discounts) / totals.repeat(sizes), rest.repeat(sizes))

    def find(self, grams: np.ndarray) -> Places:
        """Look k-grams up, of any shape."""
        index = np.minimum(self.grams.searchsorted(grams), len(self.grams) - 1)
        found = self.grams[index] == grams
        contexts = grams >> 8
        # One that is absent would stand before the first larger one; if that has another context, the one before it
        # is the last of this context, if there is any.
        index -= (self.grams[index] >> 8 != contexts) & (index > 0)
        return Places(index, found, self.grams[index] >> 8 == contexts)

    def interpolate(self, places: Places, lower: np.ndarray) -> np.ndarray:
        """Return P_k of k-grams, from their P_{k−1}."""
        seen = self.seen[places.index] * places.found
        return np.where(places.known, seen + self.rest[places.index] * lower, lower)

    def distribution(self, context: int, p: np.ndarray) -> None:
        """Turn P_{k−1} of all bytes (256,) into P_k after a context, in place."""
        first, last = np.uint64(context << 8), np.uint64(context << 8 | 255)
        start, stop = self.grams.searchsorted(first), self.grams.searchsorted(last, side="right")
        if start < stop:
            p *= self.rest[start]
            p[self.grams[start:stop] & 255] += self.seen[start:stop]


def discounts_of(counts: np.ndarray) -> tuple[float, float, float]:
    """Return D_1, D_2 and D_3 of an order's counts (U,)."""
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=5)[1:5].tolist()
    if not (n1 and n2 and n3):
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return discounts if all(0 < d < i for i, d in enumerate(discounts, 1)) else _FALLBACK
