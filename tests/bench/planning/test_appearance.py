"""The look of an expected loss: counting models and grades."""

from __future__ import annotations

import pytest

from bench.planning import appearance as module
from bench.planning.appearance import appearance, graded_writers
from bench.training.advice import advice_text, advise, grade_text
from tests.bench.training.test_advice import budget, row
from tinygpt.evaluation.grades import GRADES
from tinygpt.gallery import gallery_names, load_gallery_model

STEPS = [
    ("unigram", 3.3, "letters"), ("bigram", 2.5, "letters"), ("trigram", 2.1, "words"), ("4-gram", 1.8, "phrases"),
    ("the gallery's model", 1.5, "words"),
]  # fmt: skip


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(module, "graded_writers", {"stories": STEPS}.get)


@pytest.mark.parametrize(
    "loss, spread, text",
    [
        (5.5, 0.01, "about noise: noise"),
        (3.2, 0.05, "about a unigram: letters"),
        (2.1, 0.1, "about a trigram: words"),
        (2.3, 0.2, "a bigram to a trigram: letters to words"),
        (1.95, 0.14, "a trigram to a 4-gram: words to phrases"),
        (1.82, 0.1, "a 4-gram or better: words or better; which grade, a loss cannot tell"),
        (1.5, 0.2, "better than every counting model: words or better; which grade, a loss cannot tell"),
    ],
)
def test_a_loss_looks_like_the_nearest_counting_models(counted, loss, spread, text):
    assert str(appearance("stories", loss, spread)) == text


def test_advice_says_what_its_loss_looks_like(counted):
    assert advice_text(advise(budget(row("small", 4000, 2.1)))).endswith("nats per byte, about a trigram: words")
    assert grade_text("stories", row("small", 4000, 1.5)) == "words or better"
    assert (
        grade_text("stories", row("small", 4000, None)) == grade_text("another", row("small", 1, 2.0)) == "cannot tell"
    )


def test_a_text_without_a_card_cannot_be_told():
    assert graded_writers("another") == []
    assert appearance("another", 2.0) is None


def test_every_card_has_its_counting_models_and_no_grade_above_the_models_own_is_promised():
    for name in {load_gallery_model(name).card.corpus for name in gallery_names()}:
        *counted, model = graded_writers(name)
        names, losses, grades = zip(*counted, model, strict=True)
        assert names[:3] == ("unigram", "bigram", "trigram")
        assert [*losses[:-1]] == sorted(losses[:-1], reverse=True)
        assert {*grades} <= {*GRADES}
        lowest = appearance(name, min(losses) - 0.1).lowest
        assert GRADES.index(lowest) <= GRADES.index(grades[-1])
