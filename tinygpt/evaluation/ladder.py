"""The ladder of counting models: the loss that each length of counted pieces reaches on a held-out text.

A loss means little alone. A model with a bigram's loss knows which byte follows which, and no more. A loss below all
rungs is one that counting does not reach.

Two losses on the same text differ by chance too: the next chapter would give other ones. So each loss is kept for equal
parts of the text, and a difference counts only if it is larger than two of its standard errors over these parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import whole_number, wrong
from tinygpt.corpora import Corpus
from tinygpt.data import in_bytes
from tinygpt.errors import CorpusError
from tinygpt.evaluation.counting import (
    HIGHEST_ORDER,
    UNIFORM,
    Level,
    count_grams,
    count_predecessors,
    grams_of,
    sorted_grams,
    training_tokens,
)
from tinygpt.evaluation.loss import bits
from tinygpt.system.kept_values import kept_value
from tinygpt.system.memory import require_memory
from tinygpt.tokenizers import BYTES

ORDERS = range(1, HIGHEST_ORDER + 1)
_BYTES_PER_BYTE = 30  # memory for a byte of training text, at least
_METHOD = "modified Kneser-Ney 2"  # part of the cache's key: another way of counting gets another number
N_PARTS = 32  # of a text, at most
_SURE = 2.0  # standard errors


@dataclass(frozen=True)
class Rung:
    """A counting model's order and its loss, nats per byte over every byte of a text but the first."""

    order: int
    nats: float

    def __str__(self) -> str:
        return f"the {self.name}"

    @property
    def bits(self) -> float:
        """The loss in bits per byte."""
        return bits(self.nats)

    @property
    def name(self) -> str:
        """The field's name for the model: ``unigram``, ``bigram``, ``trigram``, ``4-gram``, …."""
        return {1: "unigram", 2: "bigram", 3: "trigram"}.get(self.order, f"{self.order}-gram")


@dataclass(frozen=True)
class Ladder:
    """The rungs by order, at least one, and the loss of each on the parts of the text, nats per byte."""

    rungs: tuple[Rung, ...]
    parts: tuple[tuple[float, ...], ...]

    @property
    def best(self) -> Rung:
        """The rung of the lowest loss: a longer context is not always better."""
        return min(self.rungs, key=lambda rung: rung.nats)


def parts_of(losses: np.ndarray) -> tuple[float, ...]:
    """Average the losses of a text's bytes (n,), at least one, over up to ``N_PARTS`` equal parts of it."""
    return tuple(float(part.mean()) for part in np.array_split(losses, min(N_PARTS, len(losses))))


def counting_ladder(train: bytes, held_out: bytes, orders: Iterable[int] = ORDERS) -> Ladder:
    """Measure the counting models of several orders; each rung is ``CountingModel(train, order).loss(held_out)``.

    Orders share their counts, so that the whole ladder takes little longer than its highest model: seconds for five
    million bytes, and some 50 bytes of memory a byte of training text.

    Args:
        train: the text to count.
        held_out: the text to predict, all of it.
        orders: 1 to 8, at least one.

    Raises:
        ConfigError: an order is out of range, or there is none.
        CorpusError: the training text is shorter than the highest order, or the held-out text than two bytes.
        CapacityError: there is less memory than counting needs.
    """
    wanted = {whole_number("order", order, 1, HIGHEST_ORDER) for order in orders}
    if not wanted:
        raise wrong("orders", (), f"whole numbers from 1 to {HIGHEST_ORDER}")
    if len(held_out) < 2:
        raise CorpusError(f"the held-out text has {in_bytes(len(held_out))}", "at least 2")
    require_memory(_BYTES_PER_BYTE * len(train), "counting the training text", "invoke evaluate on a smaller corpus")
    highest = max(wanted)
    tokens, text = training_tokens(train, highest), BYTES.encode(held_out)
    longest = sorted_grams(tokens, highest)
    rungs, parts = [], []
    lower = np.full(len(text), UNIFORM)  # P of every byte by the shorter contexts
    counted = count_grams(longest, highest, tokens, 1)
    for k in range(1, highest + 1):
        level = Level.of(k, counted)
        places = level.find(grams_of(text, k))
        if k in wanted:
            losses = -np.log(np.append(lower[: k - 1], level.interpolate(places, lower[k - 1 :])))[1:]
            rungs.append(Rung(k, float(losses.mean())))
            parts.append(parts_of(losses))
        if k < highest:
            counted = count_grams(longest, highest, tokens, k + 1)
            level = Level.of(k, count_predecessors(counted.grams, tokens, k))  # the same k-grams at the same places
            lower[k - 1 :] = level.interpolate(places, lower[k - 1 :])
    return Ladder(tuple(rungs), tuple(parts))


def corpus_ladder(corpus: Corpus) -> Ladder:
    """Return a corpus's whole ladder, from the cache folder if it was measured before.

    Raises:
        CorpusError: a part of the corpus is too short; see :func:`counting_ladder`.
    """
    key = f"{_METHOD} {corpus.sha256}"

    def measure() -> list[list[float]]:
        ladder = counting_ladder(corpus.train, corpus.held_out)
        return [[rung.nats, *parts] for rung, parts in zip(ladder.rungs, ladder.parts, strict=True)]

    found = kept_value("the ladder of counting models", "ladders.json", key, measure, _are_losses)
    rungs = tuple(Rung(order, row[0]) for order, row in zip(ORDERS, found, strict=True))
    return Ladder(rungs, tuple(tuple(row[1:]) for row in found))


def _are_losses(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(ORDERS)
        and all(isinstance(row, list) and len(row) > 1 and all(isinstance(x, float) for x in row) for row in value)
        and len({len(row) for row in value}) == 1
    )


@dataclass(frozen=True)
class Standing:
    """The place of a loss on a ladder; a difference within two standard errors puts it neither above nor below.

    Attributes:
        nats: the loss.
        beaten: the best of the rungs that it beats; None if it beats none.
        better: the worst of the rungs that beat it; None if none does.
        best: the best rung.
        saved_bits: bits per byte that the loss saves against the best rung; negative if it lacks some.
        low, high: two standard errors of this to both sides.
    """

    nats: float
    beaten: Rung | None
    better: Rung | None
    best: Rung
    saved_bits: float
    low: float
    high: float

    @property
    def beats_all(self) -> bool:
        """The loss is below that of every counting model, by more than chance."""
        return self.low > 0

    def __str__(self) -> str:
        value, between = f"{bits(self.nats):.2f} bits a byte", f"[{self.low:z.2f}, {self.high:z.2f}]"
        if self.nats == self.best.nats:
            return f"{value}, those of the best counting model, {self.best}"
        if self.beats_all:
            return f"{value}, {self.saved_bits:.2f} {between} fewer than the best counting model, {self.best}"
        if self.high >= 0:
            ends = f"between {-self.low:z.2f} more and {self.high:z.2f} fewer"
            return f"{value}, the same within chance as the best counting model, {self.best}: {ends}"
        lacks = f"{-self.saved_bits:.2f} [{-self.high:z.2f}, {-self.low:z.2f}] more than the best one, {self.best}"
        if self.beaten is None:
            return f"{value}, no better than any counting model; {lacks}"
        return f"{value}, between {self.beaten} and {self.better} among the counting models; {lacks}"


def standing(nats: float, parts: Sequence[float], ladder: Ladder) -> Standing:
    """Place a loss on the ladder of the same text.

    Args:
        nats: nats per byte over the text.
        parts: the same for its parts, by :func:`parts_of`.
        ladder: of that text.
    """
    saved = {rung: _saved(nats, parts, rung, own) for rung, own in zip(ladder.rungs, ladder.parts, strict=True)}
    by_loss = sorted(ladder.rungs, key=lambda rung: rung.nats)  # the best first
    beaten = next((rung for rung in by_loss if saved[rung][1] > 0), None)
    better = next((rung for rung in reversed(by_loss) if saved[rung][2] < 0), None)
    return Standing(nats, beaten, better, ladder.best, *saved[ladder.best])


def _saved(nats: float, parts: Sequence[float], rung: Rung, own: Sequence[float]) -> tuple[float, float, float]:
    """Return the bits that a loss saves against a rung, and its interval, which is infinite for a text of one part."""
    differences = np.subtract(own, parts)
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences)) if len(differences) > 1 else math.inf
    value, margin = bits(rung.nats - nats), bits(_SURE * error)
    return value, value - margin, value + margin
