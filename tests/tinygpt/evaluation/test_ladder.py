"""The ladder: each rung is its counting model's loss, measured once a corpus; and the standing of a loss."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError, CorpusError
from tinygpt.evaluation import ladder
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.ladder import Ladder, Rung, corpus_ladder, counting_ladder, parts_of, standing

TRAIN = b"the cat sat on the mat, the hen sat on the cat, and then the man sat on the hen. " * 3
HELD_OUT = b"then the hen sat on the man, and the cat ate the mat."
CORPUS = Corpus("cats", TRAIN, HELD_OUT, "", "")


def test_each_rung_is_the_loss_of_its_model() -> None:
    ladder = counting_ladder(TRAIN, HELD_OUT)
    rungs = ladder.rungs
    assert [rung.order for rung in rungs] == list(range(1, 9))
    for rung in rungs:
        assert rung.nats == pytest.approx(CountingModel(TRAIN, rung.order).loss(HELD_OUT), abs=1e-12)
        assert rung.bits == pytest.approx(rung.nats / math.log(2))
    some = counting_ladder(TRAIN, HELD_OUT, [6, 3])
    assert some == Ladder((rungs[2], rungs[5]), (ladder.parts[2], ladder.parts[5]))
    losses = -CountingModel(TRAIN, 3).log_probabilities(HELD_OUT)[1:]
    assert some.parts[0] == pytest.approx([part.mean() for part in np.array_split(losses, 32)])
    assert [rung.name for rung in rungs[:4]] == ["unigram", "bigram", "trigram", "4-gram"]
    short = counting_ladder(TRAIN, b"mat")  # shorter than most orders
    assert short.rungs[7].nats == pytest.approx(CountingModel(TRAIN, 8).loss(b"mat"), abs=1e-12)


def test_what_has_no_ladder_is_refused() -> None:
    with pytest.raises(ConfigError, match="orders is"):
        counting_ladder(TRAIN, HELD_OUT, [])
    with pytest.raises(ConfigError, match="from 1 to 8"):
        counting_ladder(TRAIN, HELD_OUT, [9])
    with pytest.raises(CorpusError, match="held-out text has 1 byte;"):
        counting_ladder(TRAIN, b"a")
    with pytest.raises(CorpusError, match="at least 8 for order 8"):
        counting_ladder(b"seven b", HELD_OUT)


def test_a_corpus_is_counted_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path))
    assert corpus_ladder(CORPUS) == counting_ladder(TRAIN, HELD_OUT)
    monkeypatch.setattr(ladder, "counting_ladder", lambda *_: pytest.fail("counted again"))
    assert corpus_ladder(CORPUS) == counting_ladder(TRAIN, HELD_OUT)
    with pytest.raises(pytest.fail.Exception, match="counted again"):
        corpus_ladder(Corpus("cats", TRAIN, HELD_OUT[1:], "", ""))  # another split


@pytest.mark.parametrize("losses", [None, [1.5], [1.5] * 8, [["a", 1.0]] * 8, [[1.5, 1.0]] * 7 + [[1.5]], 3])
def test_damaged_rungs_are_counted_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, losses: object) -> None:
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path))
    expected, file = corpus_ladder(CORPUS), tmp_path / "ladders.json"
    (key,) = json.loads(file.read_text())
    file.write_text(json.dumps({key: losses}))
    assert corpus_ladder(CORPUS) == expected
    rows = [[rung.nats, *parts] for rung, parts in zip(expected.rungs, expected.parts, strict=True)]
    assert json.loads(file.read_text()) == {key: rows}


# ---- standing ----------------------------------------------------------------------------------------------

NOISE = np.random.default_rng(0).normal(0, 0.1, 32)
NOISE -= NOISE.mean()  # of a text's parts: some are harder than others


def a_ladder(*nats: float) -> Ladder:
    rungs = tuple(Rung(order, loss) for order, loss in enumerate(nats, 1))
    return Ladder(rungs, tuple(tuple(loss + NOISE) for loss in nats))


@pytest.mark.parametrize(
    ("loss", "beaten", "better"),
    [(3.5, None, 1), (3.0, 1, 2), (2.0, 2, 4), (1.75, 2, 4), (1.65, 4, 3), (1.5, 3, None)],
)
def test_a_loss_stands_between_two_rungs(loss: float, beaten: int | None, better: int | None) -> None:
    ladder = a_ladder(3.2, 2.4, 1.6, 1.7)  # the longest context is not the best
    found = standing(loss, tuple(loss + NOISE), ladder)
    assert (found.beaten and found.beaten.order, found.better and found.better.order) == (beaten, better)
    assert found.best == ladder.rungs[2]
    assert found.saved_bits == pytest.approx((1.6 - loss) / math.log(2))
    assert found.low == pytest.approx(found.saved_bits) == found.high  # every part saves the same
    assert found.beats_all is (loss < 1.6)


def test_a_difference_within_two_standard_errors_does_not_count() -> None:
    """The loss is 0.002 lower, but which of the two is lower changes from part to part."""
    ladder = a_ladder(3.2, 1.6)
    own = 1.598 + NOISE[::-1]
    found = standing(1.598, tuple(own), ladder)
    error = (1.6 + NOISE - own).std(ddof=1) / math.sqrt(32) / math.log(2)
    assert (found.low, found.high) == pytest.approx((found.saved_bits - 2 * error, found.saved_bits + 2 * error))
    assert found.saved_bits > 0 and not found.beats_all
    assert (found.beaten, found.better) == (ladder.rungs[0], None)
    said = "the same within chance as the best counting model, the bigram: "
    assert str(found).endswith(f"{said}between {-found.low:.2f} more and {found.high:.2f} fewer")


def test_a_loss_equal_to_the_best_rung_does_not_beat_it() -> None:
    ladder = a_ladder(3.2, 1.6)
    found = standing(1.6, ladder.parts[1], ladder)
    assert (found.beaten, found.better, found.saved_bits, found.beats_all) == (ladder.rungs[0], None, 0.0, False)
    assert str(found) == "2.31 bits a byte, those of the best counting model, the bigram"


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (1.5, "2.16 bits a byte, 0.14 [0.14, 0.14] fewer than the best counting model, the trigram"),
        (2.0, "2.89 bits a byte, between the bigram and the trigram among the counting models; 0.58"),
        (3.5, "5.05 bits a byte, no better than any counting model; 2.74 [2.74, 2.74] more than the best one"),
    ],
)
def test_a_standing_is_put_in_words(loss: float, text: str) -> None:
    assert str(standing(loss, tuple(loss + NOISE), a_ladder(3.2, 2.4, 1.6))).startswith(text)


def test_one_part_has_no_error_and_beats_nothing() -> None:
    ladder = Ladder((Rung(1, 3.0),), ((3.0,),))
    assert not standing(1.0, parts_of(np.array([1.0])), ladder).beats_all
