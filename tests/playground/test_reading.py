"""The playground's reading of a loss curve, and the counting models that give it a scale."""

from __future__ import annotations

import math
import random

import pytest

from tests.browser.node import run_in_node
from tinygpt.corpora.stories.corpus import write_story
from tinygpt.evaluation.ladder import counting_ladder

READ = "(m, [train, heldOut, ladder]) => m.readCurve(train, heldOut, ladder)"
LADDER = """(m, [train, heldOut]) => {
    const bytes = (text) => new TextEncoder().encode(text);
    return m.countingLadder(bytes(train), bytes(heldOut));
}"""


def curve(losses: list[float]) -> list[list[float]]:
    return [[float(second), loss] for second, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("train", "held_out", "state", "words"),
    [
        ([], [], "nothing", f"its loss is {math.log(256):.2f}"),
        ([5.5, 4.0, 3.0, 2.5, 2.0], [5.5, 4.1, 3.1, 2.6, 2.1], "falling", "among 8.2 equally likely characters"),
        ([5.5, 2.0, 2.0, 2.0, 2.0], [5.5, 2.1, 2.1, 2.1, 2.1], "flat", "nearly flat"),
        ([5.5, 3.0, 2.0, 1.0, 0.5], [5.5, 3.1, 2.6, 2.9, 3.3], "memorizing", "by heart"),
        ([5.5, 3.0, 3.1, 3.2, 3.3], [5.5, 3.1, 3.2, 3.3, 3.4], "rising", "smaller learning rate"),
    ],
)
def test_a_curve_is_read(train: list[float], held_out: list[float], state: str, words: str) -> None:
    read = run_in_node(READ, [curve(train), curve(held_out), []])
    assert read["state"] == state
    assert words in read["words"]


def test_a_curve_is_compared_with_the_lowest_model_that_it_beats() -> None:
    ladder = [
        {"loss": 3.0, "words": "the first"},
        {"loss": 2.2, "words": "the second"},
        {"loss": 1.0, "words": "no one"},
    ]
    read = run_in_node(READ, [curve([3.0, 2.0]), curve([3.0, 2.0]), ladder])
    assert "better than the second." in read["words"]


@pytest.mark.parametrize(("score", "words"), [(0.1, "10 % of the answers"), (0.95, "Solved: 95 % of the answers")])
def test_a_toy_task_is_read_by_its_right_answers_and_not_by_its_loss(score: float, words: str) -> None:
    read = run_in_node("(m, score) => m.readScore(score)", score)
    assert read["words"].startswith(words)
    assert ("Solved" in read["words"]) == (read["state"] == "falling")


def test_the_ladder_falls_and_is_close_to_pythons() -> None:
    rng = random.Random(1)
    train, held_out = ("\n".join(write_story(rng) for _ in range(n)) for n in (40, 8))
    rungs = run_in_node(LADDER, [train, held_out])
    assert [rung["name"] for rung in rungs] == ["letters", "pairs", "triples"]
    pythons = counting_ladder(train.encode(), held_out.encode(), orders=range(1, 4)).rungs
    assert [rung["loss"] for rung in rungs] == pytest.approx([rung.nats for rung in pythons], rel=0.05)
