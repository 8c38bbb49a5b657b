"""Texts that anchor the grades: what noise, counting, shuffled words and the author look like, and the grade of each.

A counting model is judged as any model is: by its texts, its loss, its swap probe, and the bytes that it looks back.
Noise, shuffled words and the author's own pieces are texts without a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tinygpt.corpora import Corpus
from tinygpt.errors import CorpusError
from tinygpt.evaluation.counted_swaps import counted_swaps
from tinygpt.evaluation.counting import CountingModel
from tinygpt.evaluation.grades import Judgement, ModelMeasures, judge
from tinygpt.evaluation.ladder import Rung, corpus_ladder, standing
from tinygpt.evaluation.measures import Author, as_text, spread
from tinygpt.evaluation.scores import EvaluationSettings
from tinygpt.evaluation.scrambles import scramble
from tinygpt.evaluation.swaps import SwapResult


@dataclass(frozen=True)
class Anchor:
    """A text with its grade.

    Attributes:
        name: of its writer.
        rung: the counting model that wrote it; None if none did.
        judgement: of as many texts as a model writes.
        text: the first of them.
    """

    name: str
    rung: Rung | None
    judgement: Judgement
    text: str


def make_anchors(
    corpus: Corpus,
    settings: EvaluationSettings | None = None,
    announce: Callable[[str], None] = lambda _text: None,
) -> tuple[Anchor, ...]:
    """Make and judge a corpus's anchors, from noise to the author; equal arguments give equal anchors.

    Args:
        corpus: the text.
        settings: number and length of the texts.
        announce: receives a line before each, as a counting model takes some seconds.

    Raises:
        CorpusError: a part of the corpus is too short; see :func:`tinygpt.evaluation.evaluate_model`.
    """
    settings = settings or EvaluationSettings()
    author = Author(corpus, settings.n_texts, settings.n_tokens)
    pieces = spread(author.pieces, settings.n_texts)

    def written() -> Iterator[tuple[str, Rung | None, list[bytes], ModelMeasures | None]]:
        yield "noise", None, scramble("noise", pieces, author.known), None
        for rung in corpus_ladder(corpus):
            announce(f"a text of the {rung.name}")
            model = CountingModel(corpus.train, rung.order)
            texts = [model.generate(settings.n_tokens, seed) for seed in range(settings.n_texts)]
            yield rung.name, rung, texts, _measures(corpus, rung)
        yield "shuffled words", None, scramble("words", pieces, author.known), None
        yield "the author", None, pieces, None

    return tuple(
        Anchor(name, rung, judge(author.measure(texts), measures), as_text(texts[0]))
        for name, rung, texts, measures in written()
    )


def _measures(corpus: Corpus, rung: Rung) -> ModelMeasures:
    place = standing(rung.nats, corpus_ladder(corpus))
    own, best = _swaps(corpus, rung.order), _swaps(corpus, place.best.order)
    return ModelMeasures(rung.nats, place, own, best, rung.order - 1)


def _swaps(corpus: Corpus, order: int) -> SwapResult | None:
    try:
        return counted_swaps(corpus, order)
    except CorpusError:  # no two adjacent words of equal length
        return None
