"""The swap probe: what it exchanges, how it is scored, and that it tells order from letters."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.errors import CorpusError
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.inspection import score_text
from tinygpt.evaluation.loss import scoring_engine
from tinygpt.evaluation.swaps import swap_probe, swap_windows, wilson_interval

LINE = b"The cat sat on a red mat, don't they; it was her own hat\nthat the the that was x_is of is_y 12 of. Sir Hal "


def exchanged(text: bytes, length: int) -> set[bytes]:
    """Return the two words of each window, as they were written."""
    found = set()
    for written, swapped in zip(*map(list, swap_windows(text, length, 100)), strict=True):
        window, other = bytes(written), bytes(swapped)
        assert len(window) == length + 1
        assert window in text
        pairs = list(pairwise(re.findall(rb"[\w']+", window)))
        found |= {b"%b %b" % pair for pair in pairs if window.replace(b"%b %b" % pair, b"%b %b" % pair[::-1]) == other}
        assert window != other
    return found


def test_two_different_words_of_equal_length_change_places() -> None:
    assert exchanged(LINE, 40) == {b"cat sat", b"red mat", b"was her", b"her own", b"own hat"}
    with pytest.raises(CorpusError, match="0 pairs"):
        exchanged(LINE, 13)  # a word and a blank take more than a quarter of a window


def test_pairs_are_spread_over_the_text_and_the_same_each_time() -> None:
    text = b"".join(b"a stork of %d and the red fox, or the hen. " % number for number in range(200))
    written, swapped = swap_windows(text, 30, 25)
    assert len(written) == len(swapped) == 25
    numbers = [int("".join(filter(str.isdigit, bytes(row).decode())) or 0) for row in written]
    assert numbers[0] < 10 and max(numbers) > 150
    assert (swap_windows(text, 30, 25)[1] == swapped).all()


def test_a_counting_model_of_a_high_order_finds_the_written_line_and_a_unigram_guesses() -> None:
    text = LINE * 30
    low, high = (swap_probe(CountingModel(text, order), text) for order in (1, 6))
    assert low.right == 0.5  # all ties
    assert high.right == 1.0
    assert high.low < 1.0 == pytest.approx(high.high)


def test_an_engine_is_scored_on_both_versions_of_the_same_window() -> None:
    model, text = random_model(), LINE * 5
    length = model.config.context_length
    pairs = zip(*swap_windows(text, length, 40), strict=True)
    better = [score_text(model, bytes(a)).nats < score_text(model, bytes(b)).nats for a, b in pairs]
    found = swap_probe(scoring_engine(model, "numpy"), text, 40)
    assert found.n_pairs == len(better)
    assert found.right == pytest.approx(sum(better) / len(better))


def test_the_interval_is_wilsons() -> None:
    assert wilson_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)


@pytest.mark.parametrize("text", [b"", b"same same" * 30, b"cat sat", b"an ox " * 2])
def test_a_text_without_pairs_is_refused(text: bytes) -> None:
    with pytest.raises(CorpusError, match="pairs of different words"):
        swap_probe(CountingModel(LINE, 2), text)
