"""A small grammar that writes text from alternatives, shared rules, and slots that stay the same through a story.

    [a cake|a pie|]      one of the alternatives, drawn each time; the last one here is empty
    <sky>                an entry of the rule ``sky``, drawn each time and then expanded
    {hero}  {Hero}       the story's value of the slot ``hero``, capitalised if the slot's name is
    a@ <colour> hat      the article that fits the next word: a red hat, an orange hat

Drawing uses only ``random.Random(seed).random()``, the one method whose sequence is the same in every Python version,
so a seed writes the same text everywhere.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Rules = Mapping[str, Sequence[str]]
T = TypeVar("T")

_TOKEN = re.compile(r"[\[\]|]|<[a-z_]+>|\{[A-Za-z_]+\}|[^\[\]|<{]+")
_ARTICLE = re.compile(r"\b([Aa])@ (\W*)(\w)")


@dataclass(frozen=True)
class _Slot:
    name: str
    capital: bool


@dataclass(frozen=True)
class _Rule:
    name: str


@dataclass(frozen=True)
class _Choice:
    options: tuple[_Sequence, ...]


@dataclass(frozen=True)
class _Sequence:
    parts: tuple[str | _Slot | _Rule | _Choice, ...]


def pick(options: Sequence[T], rng: random.Random) -> T:
    """Draw one of the options, each with the same probability."""
    return options[int(rng.random() * len(options))]


def expand(template: str, slots: Mapping[str, str], rules: Rules, rng: random.Random) -> str:
    """Write a text from a template in the notation above.

    Args:
        template: the text to expand.
        slots: lower-case slot name → value.
        rules: rule name → templates.
        rng: source of the choices.

    Raises:
        KeyError: the template names a slot or a rule that does not exist.
        ValueError: a bracket is not closed, or a sign is out of place.
    """
    pieces: list[str] = []
    _write(_parse(template), slots, rules, rng, pieces)
    text = " ".join("".join(pieces).split())
    return _ARTICLE.sub(lambda match: f"{match[1]}{'n' * (match[3] in 'aeiouAEIOU')} {match[2]}{match[3]}", text)


def _write(sequence: _Sequence, slots: Mapping[str, str], rules: Rules, rng: random.Random, pieces: list[str]) -> None:
    for part in sequence.parts:
        if isinstance(part, str):
            pieces.append(part)
        elif isinstance(part, _Slot):
            value = slots[part.name]
            pieces.append(value[0].upper() + value[1:] if part.capital else value)
        elif isinstance(part, _Rule):
            _write(_parse(pick(rules[part.name], rng)), slots, rules, rng, pieces)
        else:
            _write(pick(part.options, rng), slots, rules, rng, pieces)


@functools.cache
def _parse(template: str) -> _Sequence:
    tokens = _TOKEN.findall(template)
    if "".join(tokens) != template:
        raise ValueError(f"a sign stands alone in the template {template!r}")
    sequence, end = _parse_sequence(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"a bracket or bar is out of place in the template {template!r}")
    return sequence


def _parse_sequence(tokens: list[str], at: int) -> tuple[_Sequence, int]:
    parts: list[str | _Slot | _Rule | _Choice] = []
    while at < len(tokens) and tokens[at] not in "]|":
        token = tokens[at]
        if token == "[":
            choice, at = _parse_choice(tokens, at + 1)
            parts.append(choice)
            continue
        if token.startswith("<"):
            parts.append(_Rule(token[1:-1]))
        elif token.startswith("{"):
            parts.append(_Slot(token[1:-1].lower(), token[1].isupper()))
        else:
            parts.append(token)
        at += 1
    return _Sequence(tuple(parts)), at


def _parse_choice(tokens: list[str], at: int) -> tuple[_Choice, int]:
    options: list[_Sequence] = []
    while True:
        option, at = _parse_sequence(tokens, at)
        options.append(option)
        if at == len(tokens):
            raise ValueError(f"a bracket is not closed in the template {''.join(tokens)!r}")
        at += 1
        if tokens[at - 1] == "]":
            return _Choice(tuple(options)), at
