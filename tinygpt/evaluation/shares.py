"""Shares of texts beside the author's: intervals, bars and ceilings.

An ability has a bar: all of the interval is nearer to the author than to the floor, or the share is one that 99 of 100
sets of the author's pieces reach. What an author has little of, copies and repetitions, has a ceiling: 5 % of all texts
above what 99 of 100 of these sets have, or 15 % of one text above his highest piece.

Intervals are bootstraps over whole texts, because words of one text are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ABOVE_AT_MOST = 0.05  # of all bytes, above the author's range: one sentence in each text
ABOVE_IN_ONE_AT_MOST = 0.15  # of a text's bytes, above the author's highest piece: two or three sentences
_BELOW_AT_LEAST = 0.9  # of the author's lowest piece: one of a few hundred is below it by chance
_BELOW_LEAST_AT_MOST = 0.01  # below what 99 of 100 sets reach: several shares have to reach it at once
_RESAMPLES = 2000
_LEVEL = (0.05, 0.95)  # one set in twenty is below, one above
_ENDS = (0.01, 0.99)

Count = tuple[float, float]  # of the thing in a text, and of all that could be it


@dataclass(frozen=True)
class Interval:
    """A share with the ends of its interval: nine of ten sets of such texts lie inside."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Reference:
    """A share of the author's text.

    Attributes:
        share: of all pieces.
        low, high: nine of ten sets of as many pieces as there are texts lie between.
        least, most: 99 of 100 such sets reach the one, and 99 do not exceed the other.
        lowest, highest: of single pieces.
        floor: share in the scrambled pieces; 0 if there are none.
        floor_high: 19 of 20 sets of scrambled pieces lie below.
    """

    share: float
    low: float
    high: float
    least: float
    most: float
    lowest: float
    highest: float
    floor: float
    floor_high: float


@dataclass(frozen=True)
class Measure:
    """A share of the texts beside the author's.

    Attributes:
        texts: of all texts.
        lowest, highest: of single texts.
        author: the same of held-out pieces.
    """

    texts: Interval
    lowest: float
    highest: float
    author: Reference

    @property
    def half_way(self) -> float:
        """The middle between the scrambled pieces and the author's."""
        return (self.author.floor + self.author.share) / 2

    @property
    def bar(self) -> float:
        """The lowest share that texts with this ability may have together."""
        return min(self.half_way, self.author.least)

    @property
    def reached(self) -> bool:
        """The texts are together nearer to the author, by more than chance, or as good as his own sets are."""
        return self.texts.low >= self.half_way or self.texts.share >= self.author.least

    @property
    def bar_of_each(self) -> float:
        """The share that each of them reaches."""
        return min(self.bar, _BELOW_AT_LEAST * self.author.lowest)

    @property
    def is_the_authors(self) -> bool:
        """The texts reach what 99 of 100 of his sets do, and each of them what his lowest piece does, nearly."""
        least = self.author.least - _BELOW_LEAST_AT_MOST
        return self.texts.share >= least and self.lowest >= _BELOW_AT_LEAST * self.author.lowest

    @property
    def tells(self) -> bool:
        """The bar is above what scrambled texts reach."""
        return self.bar > self.author.floor_high

    @property
    def ceiling(self) -> float:
        """The share that texts like the author's do not exceed together."""
        return self.author.most + ABOVE_AT_MOST

    @property
    def ceiling_of_each(self) -> float:
        """The share that none of them exceeds."""
        return self.author.highest + ABOVE_IN_ONE_AT_MOST


def reference_of(counts: Sequence[Count], scrambled: Sequence[Count], size: int) -> Reference:
    """Return the author's side of a share.

    Args:
        counts: of each piece.
        scrambled: of each scrambled piece, if there are any.
        size: number of texts that will be compared.
    """
    singles, (low, high, least, most) = list(map(share_of, counts)), _quantiles(counts, size, (*_LEVEL, *_ENDS))
    floor_high = _quantiles(scrambled, size, _LEVEL)[1] if scrambled else 0.0
    floor = share_of(scrambled) if scrambled else 0.0
    return Reference(share_of(counts), low, high, least, most, min(singles), max(singles), floor, floor_high)


def measure_of(counts: Sequence[Count], author: Reference) -> Measure:
    """Put the share of some texts, at least one, beside the author's."""
    singles = list(map(share_of, counts))
    return Measure(interval(counts), min(singles), max(singles), author)


def interval(counts: Sequence[Count]) -> Interval:
    """Bootstrap the share of some texts."""
    return Interval(share_of(counts), *_quantiles(counts, len(counts), _LEVEL))


def share_of(counts: Any) -> float:
    """Return the share that one or several texts have together, 0 if there is nothing to count."""
    hits, totals = np.reshape(counts, (-1, 2)).sum(axis=0)
    return float(hits / totals) if totals else 0.0


def _quantiles(counts: Sequence[Count], size: int, levels: Sequence[float]) -> list[float]:
    """Return quantiles of the shares of random sets of so many texts."""
    table = np.array(counts, np.float64)  # (n, 2)
    drawn = np.random.default_rng(0).integers(0, len(table), (_RESAMPLES, size))
    hits, totals = table[drawn].sum(1).T
    return np.quantile(hits / np.where(totals > 0, totals, 1.0), levels).tolist()
