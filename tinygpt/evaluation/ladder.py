"""The ladder of counting models: the loss that each length of counted pieces reaches on a held-out text.

A loss means little alone. A model with a bigram's loss knows which byte follows which, and no more. A loss below all
rungs is one that counting does not reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import whole_number, wrong
from tinygpt.corpora import Corpus
from tinygpt.data import Tokenizer, in_bytes
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

ORDERS = range(1, HIGHEST_ORDER + 1)
_BYTES_PER_BYTE = 30  # memory for a byte of training text, at least
_METHOD = "modified Kneser-Ney 1"  # part of the cache's key: another way of counting gets another number


@dataclass(frozen=True)
class Rung:
    """A counting model's order and its loss, nats per byte over every byte of a text but the first."""

    order: int
    nats: float

    @property
    def bits(self) -> float:
        """The loss in bits per byte."""
        return bits(self.nats)

    @property
    def name(self) -> str:
        """The field's name for the model: ``unigram``, ``bigram``, ``trigram``, ``4-gram``, …."""
        return {1: "unigram", 2: "bigram", 3: "trigram"}.get(self.order, f"{self.order}-gram")


def counting_ladder(train: bytes, held_out: bytes, orders: Iterable[int] = ORDERS) -> tuple[Rung, ...]:
    """Measure the counting models of several orders; each rung is ``CountingModel(train, order).loss(held_out)``.

    Orders share their counts, so that the whole ladder takes little longer than its highest model: seconds for five
    million bytes, and some 50 bytes of memory a byte of training text.

    Args:
        train: the text to count.
        held_out: the text to predict, all of it.
        orders: 1 to 8, at least one.

    Returns:
        the rungs, by order.

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
    tokens, text = training_tokens(train, highest), Tokenizer.encode(held_out)
    longest = sorted_grams(tokens, highest)
    rungs = []
    lower = np.full(len(text), UNIFORM)  # P of every byte by the shorter contexts
    counted = count_grams(longest, highest, tokens, 1)
    for k in range(1, highest + 1):
        level = Level.of(k, counted)
        places = level.find(grams_of(text, k))
        if k in wanted:
            p = np.append(lower[: k - 1], level.interpolate(places, lower[k - 1 :]))
            rungs.append(Rung(k, float(-np.log(p[1:]).mean())))
        if k < highest:
            counted = count_grams(longest, highest, tokens, k + 1)
            level = Level.of(k, count_predecessors(counted.grams, tokens, k))  # the same k-grams at the same places
            lower[k - 1 :] = level.interpolate(places, lower[k - 1 :])
    return tuple(rungs)


def corpus_ladder(corpus: Corpus) -> tuple[Rung, ...]:
    """Return a corpus's whole ladder, from the cache folder if it was measured before.

    Raises:
        CorpusError: a part of the corpus is too short; see :func:`counting_ladder`.
    """
    key = f"{_METHOD} {corpus.sha256}"

    def measure() -> list[float]:
        return [rung.nats for rung in counting_ladder(corpus.train, corpus.held_out)]

    losses = kept_value("the ladder of counting models", "ladders.json", key, measure, _are_losses)
    return tuple(map(Rung, ORDERS, losses))


def _are_losses(value: object) -> bool:
    return isinstance(value, list) and len(value) == len(ORDERS) and all(isinstance(loss, float) for loss in value)


@dataclass(frozen=True)
class Standing:
    """The place of a loss on a ladder.

    Attributes:
        beaten: the best of the rungs whose loss is not lower; None if all are better.
        better: the worst of the others; None if none is better.
        best: the best rung.
        saved_bits: bits per byte that the loss saves against the best rung; negative if it lacks some.
    """

    beaten: Rung | None
    better: Rung | None
    best: Rung
    saved_bits: float


def standing(loss: float, ladder: Sequence[Rung]) -> Standing:
    """Place a loss, nats per byte over a ladder's held-out text, on it; the ladder has at least one rung."""
    by_loss = sorted(ladder, key=lambda rung: rung.nats)  # the best first: a longer context is not always better
    beaten = next((rung for rung in by_loss if rung.nats >= loss), None)
    better = next((rung for rung in reversed(by_loss) if rung.nats < loss), None)
    return Standing(beaten, better, by_loss[0], by_loss[0].bits - bits(loss))
