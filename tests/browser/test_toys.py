"""Toy tasks of the playground: the same for a seed, honest about what is held out, and learned by `tiny` in seconds."""

from __future__ import annotations

import re

import pytest

from sitegen.playground.publish import preset_entry
from tests.browser.node import run_in_node

TOYS = ("copy", "reverse", "add", "brackets")

PARTS = """(m, [name, seed]) => {
    const toy = m.TOYS[name];
    const { train, heldOut } = toy.parts(seed);
    const text = (bytes) => new TextDecoder().decode(bytes);
    return {
        train: text(train), heldOut: text(heldOut), asked: toy.asked, length: toy.length,
        questions: toy.questions(heldOut, 10), score: toy.score(text(heldOut)),
    };
}"""


def is_balanced(line: str) -> bool:
    while "()" in line or "[]" in line:
        line = line.replace("()", "").replace("[]", "")
    return not line


RULES = {
    "copy": lambda line: re.fullmatch(r"([a-z]+)>\1", line) is not None,
    "reverse": lambda line: line.partition(">")[2] == line.partition(">")[0][::-1],
    "add": lambda line: int(line[0]) + int(line[2]) + int(line[4]) == int(line.partition("=")[2]),
    "brackets": is_balanced,
}


@pytest.mark.parametrize("name", TOYS)
def test_a_toy_is_the_same_for_a_seed_and_holds_out_questions(name: str) -> None:
    one, other = (run_in_node(PARTS, [name, seed]) for seed in (0, 1))
    assert one == run_in_node(PARTS, [name, 0])
    assert one["train"] != other["train"]
    lines, held_out = one["train"].splitlines(), one["heldOut"].splitlines()
    assert all(len(line) + 1 == one["length"] and RULES[name](line) for line in lines + held_out)
    asked = one["asked"]
    assert not {line[:asked] for line in lines} & {line[:asked] for line in held_out}
    assert one["questions"] == [*dict.fromkeys(line[:asked] for line in held_out)][:10]
    assert one["score"] == 1


@pytest.mark.parametrize(
    ("name", "text", "share"),
    [
        ("copy", "dogs>dogs\ncats>cat\nabcd>abcd>abcd\nbird>", 1 / 3),
        ("reverse", "dogs>sgod\ndogs>dogs\n", 1 / 2),
        ("add", "7+5+1=13\n1+1+1=04\n7+5+1=13x\n\n", 1 / 4),
        ("brackets", "([()])[]\n([()][])\n()()()()()\n([)]()()\nx[]()()[\n", 2 / 5),
        ("copy", "", 0),
        ("add", "�>\n", 0),
    ],
)
def test_the_score_is_the_share_of_right_lines(name: str, text: str, share: float) -> None:
    assert run_in_node("(m, [name, text]) => m.TOYS[name].score(text)", [name, text]) == pytest.approx(share)


LEARN = """async (m, { name, preset }) => {
    const client = m.client();
    await client.call("start");
    const { steps, learningRate } = m.TOYS[name].settings;
    const scores = [];
    const settings = m.settingsOf({ steps, learningRate });
    const message = { config: preset, batchSize: preset.batchSize, seed: 0, toy: name, about: name };
    const progress = ({ step, score }) => {
        if (score !== undefined) scores.push([step, score]);
        if (score >= 0.9) client.control("stop");
    };
    await client.call("train", { ...message, steps, ...settings }, { progress });
    return scores;
}"""


@pytest.mark.parametrize("name", TOYS)
def test_tiny_learns_a_toy_task(name: str) -> None:
    scores = run_in_node(LEARN, {"name": name, "preset": preset_entry("tiny") | {"eps": 1e-5}})
    assert scores[0][1] < 0.2
    assert scores[-1][1] >= 0.9
