"""Grades: texts that must not pass for the author's, and each bar."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tinygpt.corpora import Corpus, load_corpus
from tinygpt.evaluation.anchors import make_anchors
from tinygpt.evaluation.code_lines import parsing_lines
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.grades import GRADES, LossHistory, ModelMeasures, judge
from tinygpt.evaluation.ladder import Rung, Standing
from tinygpt.evaluation.measures import MEASURES, Author, Interval, Measure, TextMeasures, interval, pieces_of, spread
from tinygpt.evaluation.scores import EvaluationSettings
from tinygpt.evaluation.scrambles import SCRAMBLES, scramble
from tinygpt.evaluation.swaps import SwapResult
from tinygpt.evaluation.words import words_of

N_TEXTS, SIZE = 8, 1000


@pytest.fixture(scope="module")
def corpus():
    whole = load_corpus("stories")
    return replace(whole, train=whole.train[:1_500_000], held_out=whole.held_out[:150_000])


@pytest.fixture(scope="module")
def author(corpus):
    return Author(corpus, N_TEXTS, SIZE)


def own_texts(author):
    return spread(author.pieces, N_TEXTS)


# ---- impostors ---------------------------------------------------------------------------------------------


def test_the_author_gets_the_highest_grade_that_texts_alone_allow(author):
    found = judge(author.measure(own_texts(author)))
    assert (found.grade, found.memorized) == (GRADES[-1], False)
    assert any("no model" in missing for missing in found.missing)


def stitched(corpus, author):
    starts = np.random.default_rng(0).integers(0, len(corpus.train) - 54, (N_TEXTS, SIZE // 54 + 1))
    return [b"".join(corpus.train[start : start + 54] for start in row)[:SIZE] for row in starts]


def recited(corpus, author):
    first, *rest = own_texts(author)
    return [corpus.train[200_000:200_750] + first[750:], *rest]


def shuffled(corpus, author):
    return scramble("words", own_texts(author), author.known)


def six_gram(corpus, author):
    model = CountingModel(corpus.train, 6)
    return [model.generate(SIZE, seed) for seed in range(N_TEXTS)]


@pytest.mark.parametrize("write, memorized", [(six_gram, False), (shuffled, False), (stitched, True), (recited, True)])
def test_what_the_author_did_not_write_does_not_get_the_authors_grade(corpus, author, write, memorized):
    texts = write(corpus, author)
    assert sum(map(len, texts)) == N_TEXTS * SIZE
    found = judge(author.measure(texts))
    assert GRADES.index(found.grade) < GRADES.index(GRADES[-1])
    assert found.memorized is memorized


def test_grades_do_not_depend_on_the_writer_but_on_the_text(corpus):
    """Every anchor, judged with the measures of its model where it has one, stands where a reader would put it."""
    small = replace(corpus, train=corpus.train[:300_000], held_out=corpus.held_out[:40_000])
    anchors = make_anchors(small, EvaluationSettings(3, 500))
    grades = {anchor.name: anchor.judgement.grade for anchor in anchors}
    assert [*grades][:3] == ["noise", "unigram", "bigram"] and [*grades][-1] == "the author"
    assert (grades["noise"], grades["unigram"], grades["shuffled words"]) == ("noise", "letters", "words")
    counted = [GRADES.index(anchor.judgement.grade) for anchor in anchors if anchor.rung]
    assert counted == sorted(counted) and max(counted) < GRADES.index("sentences")
    assert GRADES.index(grades["the author"]) > max(counted)


# ---- bars --------------------------------------------------------------------------------------------------

AUTHOR = Interval(0.96, 0.94, 0.98)


def shares(**changed: float) -> TextMeasures:
    own = dict.fromkeys((name for name in MEASURES if name != "lines"), 0.95) | changed
    return TextMeasures(
        {name: Measure(Interval(value, value - 0.01, value + 0.01), AUTHOR, 0.4) for name, value in own.items()},
        1500, (0.4, 0.9, 0.99), (0.4, 0.9, 0.99), Measure(Interval(0.01, 0, 0.02), Interval(0.01, 0.0, 0.03), 0.0),
        "a copy", 40, 60,
    )  # fmt: skip


SURE = ModelMeasures(
    1.4, Standing(Rung(6, 1.5), None, Rung(6, 1.5), 0.14), SwapResult(300, 0.9, 0.86, 0.93),
    SwapResult(300, 0.84, 0.8, 0.88), 220, LossHistory(1.4, 1.4),
)  # fmt: skip


@pytest.mark.parametrize(
    "texts, model, grade, reason",
    [
        (shares(), None, "passages", "words that return: 95%, the author's 96%, exchanged halves 40%"),
        (shares(), SURE, "passages", "context in use: 220 bytes"),
        (shares(), replace(SURE, context=96), "sentences", "not passages: context in use: 96 bytes"),
        (shares(returning=0.6), SURE, "sentences", "not passages: words that return: 60%"),
        (shares(words=0.9), SURE, "phrases", "not sentences: words that exist: 90.0%"),
        (shares(words=0.925), SURE, "passages", "words that return"),
        (shares(triples=0.6), SURE, "phrases", "not sentences: known triples of words: 60%"),
        (shares(lines=0.5), SURE, "phrases", "not sentences: lines that parse"),
        (
            shares(), replace(SURE, held_out_loss=1.55, standing=Standing(None, Rung(6, 1.5), Rung(6, 1.5), -0.07)),
            "phrases", "0.07 more than the best counting model, the 6-gram",
        ),
        (shares(), replace(SURE, swaps=SwapResult(300, 0.8, 0.75, 0.84)), "phrases", "exchanged words noticed: 80%"),
        (replace(shares(), distinct=(0.1, 0.4, 0.5)), SURE, "words", "not phrases: distinct word pairs: 40%"),
        (shares(pairs=0.6), SURE, "words", "not phrases: known pairs"),
        (shares(words=0.6), SURE, "letters", "not words"),
        (shares(letters=0.6), SURE, "noise", "not letters"),
    ],
)  # fmt: skip
def test_a_grade_gives_its_reasons(texts, model, grade, reason):
    found = judge(texts, model)
    assert found.grade == grade and not found.memorized
    assert any(reason in text for text in found.reasons), found.reasons


@pytest.mark.parametrize(
    "changes, history, reason",
    [
        ({"covered": Measure(Interval(0.09, 0.0, 0.2), Interval(0.01, 0.0, 0.03), 0.0)}, None, "9% of its bytes stand"),
        ({"longest_bytes": 121}, None, "one copy has 121 bytes, the author's longest 60"),
        ({}, LossHistory(1.0, 1.2), "its held-out loss rose from 1.00 to 1.20"),
    ],
)
def test_each_sign_of_memorizing_raises_the_flag_and_takes_the_higher_grades(changes, history, reason):
    found = judge(replace(shares(), **changes), replace(SURE, history=history))
    assert found.memorized and found.grade == "phrases" and str(found) == "phrases, memorized"
    assert any(reason in text for text in found.reasons)


def test_copies_like_the_authors_own_raise_no_flag():
    texts = replace(
        shares(), covered=Measure(Interval(0.55, 0.5, 0.6), Interval(0.5, 0.4, 0.6), 0.0), longest_bytes=119
    )
    assert not judge(texts, replace(SURE, history=LossHistory(1.0, 1.04))).memorized


def test_a_grade_whose_own_share_cannot_tell_is_not_given():
    found = judge(
        replace(shares(), shares=shares().shares | {"triples": Measure(AUTHOR, Interval(0.5, 0.3, 0.7), 0.4)})
    )
    assert found.grade == "phrases"
    assert any("known triples of words: so little text" in missing for missing in found.missing)


# ---- what the bars are made of -----------------------------------------------------------------------------


def test_a_scramble_destroys_one_thing(author):
    pieces = own_texts(author)
    made = {kind: scramble(kind, pieces, author.known) for kind in SCRAMBLES}
    for texts in made.values():
        assert len(texts) == len(pieces)
    for piece, letters, words, halves in zip(pieces, made["letters"], made["words"], made["halves"], strict=True):
        assert sorted(piece) == sorted(letters) and piece != letters
        assert sorted(words_of(piece.decode())) == sorted(words_of(words.decode())) and piece != words
        assert halves[: SIZE // 2] == piece[: SIZE // 2] and halves[SIZE // 2 :] != piece[SIZE // 2 :]
    for text in made["pairs"]:
        known, pairs = author.known.known_pairs(words_of(text.decode()))
        assert known == pairs > 50
    assert made == {kind: scramble(kind, pieces, author.known) for kind in SCRAMBLES}


def test_every_share_lies_above_its_floor(author):
    for name, (own, floor) in author.shares.items():
        assert own.low <= own.share <= own.high and own.low > (own.share + floor) / 2, name


def test_an_interval_holds_the_share_of_whole_texts():
    assert interval([(1, 2), (1, 2), (1, 2)]) == Interval(0.5, 0.5, 0.5)
    found = interval([(0, 10), (10, 10), (0, 10), (10, 10)])
    assert (found.share, found.low, found.high) == (0.5, 0.0, 1.0)
    assert interval([(0, 0)]) == Interval(0.0, 0.0, 0.0)
    more = interval([(0, 10), (10, 10)] * 20, 4)
    assert more.low == 0.0 and more.high == 1.0  # of four texts, however many there are to draw from


def test_pieces_begin_at_a_line_and_do_not_overlap():
    text = b"".join(b"line %04d of the text\n" % number for number in range(1000))
    pieces = pieces_of(text, 8, 500)
    assert len(pieces) == 8 and all(piece.startswith(b"line") and len(piece) == 500 for piece in pieces[:-1])
    starts = [text.index(piece) for piece in pieces]
    assert all(b - a >= 500 for a, b in pairwise(starts))
    assert pieces_of(b"abc", 8, 500) == [b"abc"]


def test_a_short_text_is_judged_without_an_error():
    corpus = Corpus("short", b"One line of a text that is short.\n" * 3, b"Another line.\n", "none", "here")
    found = judge(Author(corpus, 2, 50).measure([b"", b"\xff\x00"]))
    assert found.grade == "noise"


def test_lines_of_python_are_parsed_one_by_one():
    good = (
        "def f(x):\n    if x:\n        return 1\n    else:\n        yield '\\d'\n    try:\n@wraps(f)\nexcept E as e:\n"
    )
    assert parsing_lines(good) == (8, 8)
    assert parsing_lines("# a comment\n\n   \nnot python at all\nx = (1,\nx = 1\nand the cut las") == (1, 3)
    assert parsing_lines("(" * 900 + "\n\x00\n") == (0, 2)


def test_code_is_recognized_by_its_lines(author):
    python = b"".join(b"value_%d = compute(%d)\nreturn value_%d\n" % (i, i, i) for i in range(400))
    code = Author(Corpus("code", python, python[:9000], "none", "here"), 4, 400)
    assert "lines" in code.shares and "lines" not in author.shares
