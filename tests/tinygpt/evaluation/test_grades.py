"""Grades: texts that must not pass for the author's, and each bar."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

from tinygpt.corpora import Corpus, load_corpus
from tinygpt.evaluation import measures
from tinygpt.evaluation.anchors import IMPOSTORS, draw_author, make_anchors
from tinygpt.evaluation.code_lines import parsing_blocks, parsing_lines
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.grades import GRADES, LossHistory, ModelMeasures, judge
from tinygpt.evaluation.ladder import Rung, Standing
from tinygpt.evaluation.measures import MEASURES, Author, TextMeasures
from tinygpt.evaluation.pieces import pieces_of, random_pieces, spread
from tinygpt.evaluation.scores import EvaluationSettings
from tinygpt.evaluation.scrambles import SCRAMBLES, scramble
from tinygpt.evaluation.shares import Interval, Measure, Reference, interval
from tinygpt.evaluation.words import words_of
from tinygpt.gallery import gallery_names, load_gallery_model

N_TEXTS, SIZE = 8, 1000


@pytest.fixture(scope="module", params=["stories", "python"])
def corpus(request):
    whole = load_corpus(request.param)
    return replace(whole, train=whole.train[:1_000_000], held_out=whole.held_out[:120_000])


@pytest.fixture(scope="module")
def author(corpus):
    return Author(corpus, N_TEXTS, SIZE)


def own_texts(author):
    return spread(author.pieces, N_TEXTS)


def is_the_authors(found):
    return found.grade == GRADES[-1] and not found.memorized


# ---- impostors ---------------------------------------------------------------------------------------------


def test_the_author_gets_the_highest_grade_that_texts_alone_allow(author):
    found = judge(author.measure(own_texts(author)))
    assert is_the_authors(found), found.reasons
    assert any("no model" in missing for missing in found.missing)


COPIES = {"shuffled lines of the training text", "stitches of 47 bytes", "a recitation of 750 bytes"}
NEAR_COPY = "training text, every fifth word replaced"  # a copy unless the author repeats himself as much


@pytest.mark.parametrize("name", IMPOSTORS)
def test_what_the_author_did_not_write_does_not_get_the_authors_grade(corpus, author, name):
    texts = IMPOSTORS[name](corpus, author, own_texts(author))
    assert len(texts) == N_TEXTS
    assert all(0.9 * SIZE < len(text) < 1.1 * SIZE for text in texts)
    found = judge(author.measure(texts))
    assert found.grade != GRADES[-1]
    assert name == NEAR_COPY or found.memorized is (name in COPIES)


def test_half_a_counting_models_text_doubled_is_graded_no_higher_than_the_whole(corpus, author):
    model = CountingModel(corpus.train, 8)
    texts = [model.generate(SIZE, seed) for seed in range(4)]
    whole, doubled = (judge(author.measure(written)) for written in (texts, [text[:500] * 2 for text in texts]))
    assert GRADES.index(doubled.grade) <= GRADES.index(whole.grade) < GRADES.index(GRADES[-1])


@pytest.mark.parametrize("place", [0, 5])
def test_one_text_of_noise_is_enough_to_lose_every_grade(author, place):
    texts = own_texts(author)
    texts[place] = scramble("noise", texts[:1], author.known)[0]
    found = judge(author.measure(texts))
    assert found.grade == "noise" and "of one text" in found.reasons[0]


def test_every_anchor_with_its_models_measures_is_where_a_reader_would_put_it():
    whole = load_corpus("stories")
    small = replace(whole, train=whole.train[:300_000], held_out=whole.held_out[:40_000])
    anchors = make_anchors(small, EvaluationSettings(3, 500))
    grades = {anchor.name: anchor.judgement.grade for anchor in anchors}
    assert [*grades][:3] == ["noise", "unigram", "bigram"] and [*grades][-1] == "the author"
    assert (grades["noise"], grades["unigram"], grades["shuffled words"]) == ("noise", "letters", "words")
    counted = [GRADES.index(anchor.judgement.grade) for anchor in anchors if anchor.rung]
    assert counted == sorted(counted) and max(counted) < GRADES.index("sentences")
    assert GRADES.index(grades["the author"]) > max(counted)


@pytest.mark.parametrize("name", gallery_names())
def test_on_every_card_the_author_is_recognized_and_no_one_else(name):
    """The rule on the whole corpora, whose cards ``invoke gallery judge`` writes."""
    e = load_gallery_model(name).card.evaluation
    anchors = {anchor["name"]: anchor["judgement"] for anchor in e["anchors"]}
    passed = [name for name, found in anchors.items() if found["grade"] == GRADES[-1] and not found["memorized"]]
    assert passed == ["the author"]
    assert {name for name, found in anchors.items() if found["memorized"]} - {NEAR_COPY} == COPIES
    draws = [(GRADES[-1], False) == found for found in zip(e["draws"]["grades"], e["draws"]["memorized"], strict=True)]
    assert len(draws) == 20 and sum(draws) >= 19


def test_further_sets_of_the_authors_pieces_are_judged(corpus):
    short = replace(corpus, train=corpus.train[:100_000], held_out=corpus.held_out[:20_000])
    draws = draw_author(short, EvaluationSettings(2, 300))
    assert len(draws.grades) == len(draws.memorized) == 20
    assert draws.grades.count(GRADES[0]) == 0


def test_pieces_with_a_passage_of_the_training_text_are_no_evidence(corpus):
    copied = replace(corpus, held_out=corpus.held_out[:50_000] + corpus.train[:50_000])
    pieces = Author(copied, N_TEXTS, SIZE).pieces
    assert not any(piece in copied.train for piece in pieces)
    assert sum(piece in copied.held_out[:50_000] for piece in pieces) == len(pieces) > 20


def test_the_authors_side_is_measured_once(corpus, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGPT_CACHE", str(tmp_path))
    short = replace(corpus, train=corpus.train[:50_000], held_out=corpus.held_out[:5000])
    expected = Author(short, 2, 300).references
    monkeypatch.setattr(measures, "pieces_of", lambda *_: pytest.fail("measured again"))
    assert Author(short, 2, 300).references == expected
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        _ = Author(short, 3, 300).references


# ---- bars --------------------------------------------------------------------------------------------------

ABLE = Reference(0.96, 0.94, 0.98, 0.92, 0.99, 0.9, 1.0, 0.4, 0.45)
SELDOM = Reference(0.2, 0.15, 0.3, 0.1, 0.35, 0.0, 0.5, 0.05, 0.06)
RARE = Reference(0.01, 0.0, 0.03, 0.0, 0.04, 0.0, 0.1, 0.0, 0.0)


def a_measure(value: float, author: Reference, lowest: float | None = None, highest: float | None = None) -> Measure:
    return Measure(
        Interval(value, value - 0.01, value + 0.01),
        value if lowest is None else lowest, value if highest is None else highest, author,
    )  # fmt: skip


def shares(**changed: float | Measure) -> TextMeasures:
    """Measures of prose that is as good as the author's, but for what is changed."""
    own = {
        name: a_measure(0.95, ABLE) if definition.floor else a_measure(0.01, RARE)
        for name, definition in MEASURES.items()
        if definition.kind != "code"
    }
    author = {name: ABLE if definition.floor else RARE for name, definition in MEASURES.items()}
    new = {
        name: value if isinstance(value, Measure) else a_measure(value, author[name]) for name, value in changed.items()
    }
    return TextMeasures(own | new, 1500, "a copy", 40, 60)


SURE = ModelMeasures(Standing(1.4, Rung(6, 1.5), None, Rung(6, 1.5), 0.14, 0.12, 0.16), 220, LossHistory(1.4, 1.4))
UNSURE = replace(SURE.standing, saved_bits=0.004, low=-0.01, high=0.018)


@pytest.mark.parametrize(
    "texts, model, grade, reason",
    [
        (shares(), None, "passages", "words that return: 95%, the author's 96%, exchanged halves 40%"),
        (shares(), SURE, "passages", "context in use: 220 bytes"),
        (shares(), replace(SURE, context=96), "sentences", "not passages: context in use: 96 bytes"),
        (shares(returning=0.6), SURE, "sentences", "not passages: words that return: 60%"),
        (
            shares(returning=a_measure(0.9, SELDOM)), SURE,
            "sentences", "not passages: words that return: 90%, the author's 15% to 30%",
        ),
        (shares(words=0.9), SURE, "phrases", "not sentences: words that exist: 90.0%"),
        (shares(words=0.925), SURE, "passages", "words that return"),
        (shares(triples=0.6), SURE, "phrases", "not sentences: known triples of words: 60%"),
        (
            shares(repeated=0.2), SURE,
            "phrases", "not sentences: bytes that repeat earlier ones: 20%, the author's 0% to 3%",
        ),
        (
            shares(repeated=a_measure(0.04, RARE, highest=0.4)), SURE,
            "phrases", "bytes that repeat earlier ones: 40% of one text, at most 10% of a piece of the author's",
        ),
        (shares(blocks=0.5, lines=0.95), SURE, "phrases", "not sentences: blocks that parse: 50%"),
        (shares(lines=0.5), SURE, "words", "not phrases: lines that parse: 50%"),
        (shares(), replace(SURE, standing=UNSURE), "phrases", "the same within chance as the best counting model"),
        (shares(pairs=0.6), SURE, "words", "not phrases: known pairs"),
        (
            shares(pairs=a_measure(0.9, ABLE, lowest=0.5)), SURE,
            "words", "not phrases: known pairs of words: 50% of one text, at least 90% of each piece of the author's",
        ),
        (shares(words=0.6), SURE, "letters", "not words"),
        (shares(letters=0.6), SURE, "noise", "not letters"),
    ],
)  # fmt: skip
def test_a_grade_gives_its_reasons(texts, model, grade, reason):
    found = judge(texts, model)
    assert found.grade == grade and not found.memorized, found.reasons
    assert any(reason in text for text in found.reasons), found.reasons


@pytest.mark.parametrize(
    "changes, history, reason",
    [
        ({"copied_20": 0.1}, None, "bytes in copies of 20 and more: 10%, the author's 0% to 3%"),
        ({"copied_50": 0.1}, None, "bytes in copies of 50 and more: 10%"),
        ({"copied_200": a_measure(0.04, RARE, highest=0.3)}, None, "bytes in copies of 200 and more: 30% of one text"),
        ({}, LossHistory(1.0, 1.2), "its held-out loss rose from 1.00 to 1.20"),
    ],
)
def test_each_sign_of_memorizing_raises_the_flag_and_takes_the_higher_grades(changes, history, reason):
    found = judge(shares(**changes), replace(SURE, history=history))
    assert found.memorized and found.grade == "phrases" and str(found) == "phrases, memorized"
    assert any(reason in text for text in found.reasons)


def test_copies_like_the_authors_own_raise_no_flag():
    often = Reference(0.5, 0.4, 0.6, 0.35, 0.65, 0.1, 0.9, 0.0, 0.0)
    texts = shares(copied_50=a_measure(0.55, often, highest=1.0), copied_20=a_measure(0.04, RARE, highest=0.3))
    assert not judge(texts, replace(SURE, history=LossHistory(1.0, 1.04))).memorized


def test_the_bar_is_half_way_or_what_the_author_reaches():
    assert a_measure(0.5, ABLE).bar == pytest.approx(0.68)
    assert a_measure(0.5, replace(ABLE, least=0.6)).bar == 0.6
    assert a_measure(0.69, ABLE).reached and not a_measure(0.685, ABLE).reached  # its interval reaches below half way
    assert a_measure(0.6, replace(ABLE, least=0.6)).reached
    assert a_measure(0.5, replace(ABLE, lowest=0.7)).bar_of_each == pytest.approx(0.63)


def test_a_grade_whose_own_share_cannot_tell_is_not_given():
    found = judge(shares(triples=a_measure(0.96, replace(ABLE, least=0.44))))
    assert found.grade == "phrases"
    assert any("known triples of words: too little text" in missing for missing in found.missing)


# ---- what the bars are made of -----------------------------------------------------------------------------


def test_a_scramble_destroys_one_thing(author):
    pieces = own_texts(author)
    made = {kind: scramble(kind, pieces, author.known) for kind in SCRAMBLES}
    for texts in made.values():
        assert len(texts) == len(pieces)
    kinds = (made[kind] for kind in ("letters", "words", "halves", "lines"))
    for piece, letters, words, halves, lines in zip(pieces, *kinds, strict=True):
        assert sorted(piece.split(b"\n")) == sorted(lines.split(b"\n"))
        assert sorted(piece) == sorted(letters) and piece != letters
        assert sorted(words_of(piece.decode())) == sorted(words_of(words.decode())) and piece != words
        assert halves[: SIZE // 2] == piece[: SIZE // 2] and halves[SIZE // 2 :] != piece[SIZE // 2 :]
    for text in made["pairs"]:
        known, pairs = author.known.known_pairs(words_of(text.decode()))
        assert known == pairs > 50
    assert made == {kind: scramble(kind, pieces, author.known) for kind in SCRAMBLES}


def test_every_ability_of_the_author_is_told_from_its_floor(author):
    for name, own in author.references.items():
        assert own.lowest <= own.share <= own.highest and own.least <= own.low <= own.high <= own.most, name
        assert Measure(Interval(0, 0, 0), 0, 0, own).tells or MEASURES[name].floor is None, name


def test_an_interval_holds_the_share_of_whole_texts():
    assert interval([(1, 2), (1, 2), (1, 2)]) == Interval(0.5, 0.5, 0.5)
    found = interval([(0, 10), (10, 10), (0, 10), (10, 10)])
    assert (found.share, found.low, found.high) == (0.5, 0.0, 1.0)
    assert interval([(0, 0)]) == Interval(0.0, 0.0, 0.0)


def test_pieces_begin_at_a_line_and_do_not_overlap():
    text = b"".join(b"line %04d of the text\n" % number for number in range(1000))
    pieces = pieces_of(text, 8, 500)
    assert len(pieces) == 8 and all(piece.startswith(b"line") and len(piece) == 500 for piece in pieces[:-1])
    starts = [text.index(piece) for piece in pieces]
    assert all(b - a >= 500 for a, b in pairwise(starts))
    assert pieces_of(b"abc", 8, 500) == [b"abc"]
    random = random_pieces(text, 30, 500, np.random.default_rng(0))
    assert all(piece in text and len(piece) == 500 for piece in random)
    assert sum(piece.startswith(b"line") for piece in random) > 25


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


def test_blocks_of_python_are_parsed_with_their_bodies():
    block = "for x in y:\n    if x:\n        return 1\n    else:\n        pass\ntry:\n    a = 1\nexcept E:\n    b\nz\n"
    assert parsing_blocks(block) == (5, 5)  # for, if, else, try, except
    assert parsing_blocks("if x:\n    y = (\nif z:\nw\n") == (0, 2)
    assert parsing_blocks("if x:\n    the end of the text may cut this\n") == (0, 0)
    assert parsing_blocks("# note:\nx = 1\n") == (0, 0)


def test_code_is_recognized_by_its_lines(corpus, author):
    code = corpus.name == "python"
    assert author.writes_python is code
    assert ("lines" in author.references) is ("blocks" in author.references) is code
    assert ("pairs" in author.references) is ("triples" in author.references) is not code
    assert asdict(author.references["words"])["floor"] < 0.1
