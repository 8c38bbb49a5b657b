from __future__ import annotations

from dataclasses import replace

from sitegen.tables.writing import best_card, gallery_finding, writing_html
from tests.tinygpt.gallery.test_gallery import a_card
from tinygpt.gallery import Card


def card(name: str, grade: str, minutes: float = 10.0, text: str = "words " * 200) -> Card:
    made = a_card(b"", name)
    judgement = {"grade": grade, "memorized": False}
    return replace(made, seconds=60 * minutes, evaluation={**made.evaluation, "judgement": judgement, "texts": [text]})


def test_the_best_grade_is_shown_and_the_first_of_equals() -> None:
    cards = [card("a", "words"), card("b", "sentences"), card("c", "sentences")]
    assert best_card(cards).name == "b"


def test_the_finding_counts_what_is_written() -> None:
    cards = [card("a", "phrases"), card("b", "sentences", 22.4), card("c", "phrases")]
    assert gallery_finding(cards) == (
        "After at most 22 minutes of training, one model writes sentences and two write phrases"
    )
    assert gallery_finding(cards[:1]).endswith("of training, one model writes phrases")
    assert "No model" in gallery_finding([])


def test_a_text_is_cut_between_words_and_never_taken_for_markup() -> None:
    text = "<script>{{7*7}}</script> " * 40
    html = writing_html([card("a", "words", text=text)], "../gallery/")
    assert "<script" not in html
    assert "{{" not in html
    assert "\n" not in writing_html([card("a", "words")], "../gallery/")
    shown = html.partition("</pre>")[0]
    assert shown.endswith("&#47;script&#62;")
    assert 'href="../gallery/"' in html
