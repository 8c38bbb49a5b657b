"""Counting models against the textbook's definition, and against themselves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.errors import ConfigError, CorpusError
from tinygpt.evaluation.counting import CountingModel, discounts_of

TEXT = b"the cat sat on the mat, the hen sat on the cat, and then the man sat on the hen. " * 3


def textbook(train: bytes, order: int) -> Callable[[bytes, int], float]:
    """Return P(byte | context) by interpolated Kneser-Ney with three discounts, from its formulas."""
    pieces = {k: [train[i : i + k] for i in range(len(train) - k + 1)] for k in range(1, order + 1)}

    @cache
    def counts(k: int) -> Counter[bytes]:
        if k == order:
            return Counter(pieces[k])
        before = {(None if i == 0 else train[i - 1], piece) for i, piece in enumerate(pieces[k])}
        return Counter(piece for _, piece in before)

    @cache
    def discount(k: int, count: int) -> float:
        n = [sum(c == i for c in counts(k).values()) for i in range(5)]
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            d = [i - (i + 1) * y * n[i + 1] / n[i] for i in (1, 2, 3)]
            if all(0 < d[i] < i + 1 for i in range(3)):
                return d[min(count, 3) - 1]
        return min(count, 3) / 2

    def p(context: bytes, byte: int, k: int) -> float:
        if k == 0:
            return 1 / 256
        context = context[len(context) - (k - 1) :]
        seen = {piece: count for piece, count in counts(k).items() if piece[:-1] == context}
        lower = p(context[1:], byte, k - 1)
        if not seen:
            return lower
        count = seen.get(context + bytes([byte]), 0)
        left = sum(discount(k, c) for c in seen.values())
        return (count - (discount(k, count) if count else 0) + left * lower) / sum(seen.values())

    return lambda context, byte: p(context, byte, min(order, len(context) + 1))


texts = st.text("abc\0\xff", min_size=8, max_size=120).map(lambda text: text.encode("latin-1"))


@settings(max_examples=60, deadline=None)
@given(texts, texts, st.integers(1, 8))
def test_probabilities_are_those_of_the_definition(train: bytes, text: bytes, order: int) -> None:
    p = textbook(train, order)
    expected = [math.log(p(text[:i], byte)) for i, byte in enumerate(text)]
    model = CountingModel(train, order)
    np.testing.assert_allclose(model.log_probabilities(text), expected, rtol=0, atol=1e-12)
    assert model.loss(text) == pytest.approx(-np.mean(expected[1:]), abs=1e-12)


@pytest.mark.parametrize("order", range(1, 9))
def test_probabilities_sum_to_one_and_are_the_same_in_a_batch(order: int) -> None:
    model = CountingModel(TEXT, order)
    texts = np.frombuffer(b"on the hen, then zzz" + TEXT[:20], np.uint8).reshape(2, 20)
    together = model.log_probabilities(texts)
    for row, text in zip(together, map(bytes, texts), strict=True):
        alone = [model.next_byte_probabilities(text[:i]) for i in range(len(text))]
        np.testing.assert_allclose(np.sum(alone, axis=1), 1.0, rtol=0, atol=1e-12)
        np.testing.assert_allclose(row, [math.log(p[byte]) for p, byte in zip(alone, text, strict=True)], atol=1e-12)


def test_text_of_a_higher_order_is_closer_to_what_was_counted() -> None:
    low, high = (CountingModel(TEXT, order).generate(400, seed=0) for order in (1, 6))
    assert len(low) == len(high) == 400
    assert CountingModel(TEXT, 6).generate(400, seed=0) == high
    assert CountingModel(TEXT, 6).generate(400, seed=1) != high
    words = set(TEXT.split())
    shares = [np.mean([word in words for word in text.split()]) for text in (low, high)]
    assert shares[1] > 0.5 > 0.1 > shares[0]
    assert CountingModel(TEXT, 2).generate(9, seed=0, temperature=0.0) == CountingModel(TEXT, 2).generate(9, 1, 0.0)


def test_discounts_lie_below_their_counts_or_are_the_fixed_ones() -> None:
    assert discounts_of(np.repeat([1, 2, 3, 4, 9], [8, 4, 2, 1, 5])) == (0.5, 2 - 0.75, 3 - 1.0)
    assert discounts_of(np.array([1, 1, 1])) == (0.5, 1.0, 1.5)  # no count of two
    assert discounts_of(np.repeat([1, 2, 3, 4], [8, 1, 9, 1])) == (0.5, 1.0, 1.5)  # more threes than twos: D2 < 0


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(CorpusError, match="2 bytes; allowed: at least 3 for order 3"):
        CountingModel(b"ab", 3)
    with pytest.raises(CorpusError, match="has 1 byte;"):
        CountingModel(b"ab", 2).loss(b"a")
    for order in (0, 9, 2.5):
        with pytest.raises(ConfigError, match="order is"):
            CountingModel(TEXT, order)
