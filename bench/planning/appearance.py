"""The look of a text that a model of some loss writes: the nearest counting models, and the grades of their texts.

The counting models of a corpus and the grades of what they write are on the card of its gallery model. Below the best
of them a loss says little: its texts may be graded higher or lower than those of the model that it beats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinygpt.evaluation.grades import GRADES
from tinygpt.evaluation.ladder import Rung
from tinygpt.gallery import gallery_names
from tinygpt.gallery.card import read_card
from tinygpt.gallery.loader import CARD, MODELS

_NOISE = ("noise", math.log(256), GRADES[0])
_Step = tuple[str, float, str]  # name of a counting model, its loss in nats per byte, and the grade of its texts


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


def counted_steps(corpus: str) -> list[_Step]:
    """Return the counting models of a corpus with the grades of their texts, up to the best; none without a card."""
    for name in gallery_names():
        card = read_card(MODELS / name / CARD)
        if card.corpus == corpus:
            found = [
                (Rung(**anchor["rung"]), str(anchor["judgement"]["grade"]))
                for anchor in card.evaluation.get("anchors", ())
                if anchor["rung"]
            ]
            best = min((rung.nats for rung, _ in found), default=0.0)
            order = next((rung.order for rung, _ in found if rung.nats == best), 0)
            return [(rung.name, rung.nats, grade) for rung, grade in found if rung.order <= order]
    return []


def appearance(corpus: str, loss: float, spread: float = 0.0) -> Appearance | None:
    """Return the look of texts of a model on a corpus; None if nothing was counted there.

    Args:
        corpus: name of the text.
        loss: expected held-out loss, nats per byte.
        spread: to both sides.
    """
    counted = counted_steps(corpus)
    if not counted:
        return None
    steps = [_NOISE, *counted]
    worst, best = _nearest(steps, loss + spread), _nearest(steps, loss - spread)
    beyond = loss - spread < steps[-1][1]
    if loss + spread < steps[-1][1]:
        return Appearance("better than every counting model", steps[-1][2], None)
    if beyond:
        return Appearance(f"{_article(worst[0])} or better", worst[2], None)
    names = [_article(step[0]) for step in (worst, best)]
    lowest, highest = sorted((worst[2], best[2]), key=GRADES.index)
    return Appearance(f"about {names[0]}" if worst == best else " to ".join(names), lowest, highest)


def _nearest(steps: list[_Step], loss: float) -> _Step:
    return min(steps, key=lambda step: abs(step[1] - loss))


def _article(name: str) -> str:
    return name if name == _NOISE[0] else f"an {name}" if name.startswith("8") else f"a {name}"
