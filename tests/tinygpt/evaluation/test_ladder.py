"""The ladder: each rung is its counting model's loss, measured once a corpus; and the standing of a loss."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tinygpt.corpora import Corpus
from tinygpt.errors import ConfigError, CorpusError
from tinygpt.evaluation import ladder
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.ladder import Rung, corpus_ladder, counting_ladder, standing

TRAIN = b"the cat sat on the mat, the hen sat on the cat, and then the man sat on the hen. " * 3
HELD_OUT = b"then the hen sat on the man, and the cat ate the mat."
CORPUS = Corpus("cats", TRAIN, HELD_OUT, "", "")


def test_each_rung_is_the_loss_of_its_model() -> None:
    rungs = counting_ladder(TRAIN, HELD_OUT)
    assert [rung.order for rung in rungs] == list(range(1, 9))
    for rung in rungs:
        assert rung.nats == pytest.approx(CountingModel(TRAIN, rung.order).loss(HELD_OUT), abs=1e-12)
        assert rung.bits == pytest.approx(rung.nats / math.log(2))
    assert counting_ladder(TRAIN, HELD_OUT, [6, 3]) == (rungs[2], rungs[5])
    assert [rung.name for rung in rungs[:4]] == ["unigram", "bigram", "trigram", "4-gram"]
    short = counting_ladder(TRAIN, b"mat")  # shorter than most orders
    assert short[7].nats == pytest.approx(CountingModel(TRAIN, 8).loss(b"mat"), abs=1e-12)


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


@pytest.mark.parametrize("losses", [None, [1.5], ["a"] * 8, 3])
def test_damaged_rungs_are_counted_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, losses: object) -> None:
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path))
    expected, file = corpus_ladder(CORPUS), tmp_path / "ladders.json"
    (key,) = json.loads(file.read_text())
    file.write_text(json.dumps({key: losses}))
    assert corpus_ladder(CORPUS) == expected
    assert json.loads(file.read_text()) == {key: [rung.nats for rung in expected]}


@pytest.mark.parametrize(
    ("loss", "beaten", "better"),
    [(3.5, None, 1), (3.0, 1, 2), (2.0, 2, 4), (1.75, 2, 4), (1.65, 4, 3), (1.5, 3, None)],
)
def test_a_loss_stands_between_two_rungs(loss: float, beaten: int | None, better: int | None) -> None:
    rungs = (Rung(1, 3.2), Rung(2, 2.4), Rung(3, 1.6), Rung(4, 1.7))  # the longest context is not the best
    found = standing(loss, rungs)
    assert (found.beaten and found.beaten.order, found.better and found.better.order) == (beaten, better)
    assert found.best == rungs[2]
    assert found.saved_bits == pytest.approx((1.6 - loss) / math.log(2))


def test_a_loss_equal_to_the_best_rung_reaches_it() -> None:
    found = standing(1.6, (Rung(1, 3.2), Rung(2, 1.6)))
    assert (found.beaten, found.better, found.saved_bits) == (Rung(2, 1.6), None, 0.0)
