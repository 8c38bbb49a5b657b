"""The look of a text that a model of some loss writes: the nearest writers whose loss is known, and their grades.

The writers are those on the card of the corpus's gallery model: the counting models, and the gallery's model itself. A
better loss need not mean a better text, so past the best counting model a grade is the lowest of those that remain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinygpt.evaluation.grades import GRADES
from tinygpt.evaluation.ladder import Rung
from tinygpt.gallery import gallery_names
from tinygpt.gallery.card import MODELS, Card, read_card

_NOISE = ("noise", math.log(256), GRADES[0])
_Step = tuple[str, float, str]  # a writer, its loss in nats per byte, and the grade of its texts
_MODEL = "the gallery's model"


@dataclass(frozen=True)
class Appearance:
    """A range of grades.

    Attributes:
        writers: the counting models that are as good, in words.
        lowest, highest: grades; the highest is None if the loss cannot tell.
    """

    writers: str
    lowest: str
    highest: str | None

    @property
    def grade(self) -> str:
        """The grades in words."""
        if self.highest is None:
            return f"{self.lowest} or better"
        return self.lowest if self.lowest == self.highest else f"{self.lowest} to {self.highest}"

    def __str__(self) -> str:
        return f"{self.writers}: {self.grade}" + ("; which grade, a loss cannot tell" if self.highest is None else "")


def graded_writers(corpus: str) -> list[_Step]:
    """Return the counting models of a corpus up to the best, and the gallery's model; none without a card."""
    for name in gallery_names():
        card = read_card(Card, name, MODELS)
        if card.corpus == corpus:
            e = card.evaluation
            counted = [
                (Rung(**anchor["rung"]), str(anchor["judgement"]["grade"])) for anchor in e["anchors"] if anchor["rung"]
            ]
            best = min(counted, key=lambda item: item[0].nats)[0]
            steps = [(rung.name, rung.nats, grade) for rung, grade in counted if rung.order <= best.order]
            return [*steps, (_MODEL, float(e["held_out_loss"]), str(e["judgement"]["grade"]))]
    return []


def appearance(corpus: str, loss: float, spread: float = 0.0) -> Appearance | None:
    """Return the look of texts of a model on a corpus; None if nothing was graded there.

    Args:
        corpus: name of the text.
        loss: expected held-out loss, nats per byte.
        spread: to both sides.
    """
    known = graded_writers(corpus)
    if not known:
        return None
    *counted, model = known
    steps = [_NOISE, *counted]
    worst, best = _nearest(steps, loss + spread), _nearest(steps, loss - spread)
    if loss - spread < counted[-1][1]:  # better than every counting model, at least at best
        lowest = min(worst[2], model[2], key=GRADES.index)
        surely = loss + spread < counted[-1][1]
        return Appearance(
            "better than every counting model" if surely else f"{_article(worst[0])} or better", lowest, None
        )
    names = [_article(step[0]) for step in (worst, best)]
    lowest, highest = sorted((worst[2], best[2]), key=GRADES.index)
    return Appearance(f"about {names[0]}" if worst == best else " to ".join(names), lowest, highest)


def _nearest(steps: list[_Step], loss: float) -> _Step:
    return min(steps, key=lambda step: abs(step[1] - loss))


def _article(name: str) -> str:
    return name if name == _NOISE[0] else f"an {name}" if name.startswith("8") else f"a {name}"
