"""Short children's stories from a seeded grammar: simple words, one hero, one wish, one end.

A story draws a hero, a friend and an older helper, a place and a season, then a plot and its objects. These stay the
same through the story; the sentences around them are drawn each time. Hero and friend never share a pronoun, so "he"
and "she" are unambiguous. The idea is from TinyStories (Eldan & Li 2023): a small model can become fluent in a small
world of simple words.
"""

from __future__ import annotations

import random
from dataclasses import asdict

from tinygpt.corpora.corpus import Parts
from tinygpt.corpora.stories.grammar import expand, pick
from tinygpt.corpora.stories.plot import Plot
from tinygpt.corpora.stories.plots_adventures import ADVENTURES
from tinygpt.corpora.stories.plots_kindness import KINDNESS
from tinygpt.corpora.stories.plots_wishes import WISHES
from tinygpt.corpora.stories.rules import DAYS, RULES, SKIES
from tinygpt.corpora.stories.words import FEMALE, HOBBIES, MALE, TRAITS, WORLDS, World

PLOTS: tuple[Plot, ...] = (*WISHES, *KINDNESS, *ADVENTURES)

TRAIN_BYTES = 4_500_000
HELD_OUT_BYTES = 500_000
_TRAIN_SEED, _HELD_OUT_SEED = 1, 2

_SMALL_WORDS = frozenset({"a", "an", "and", "at", "for", "in", "of", "on", "the", "to", "with", "from", "by"})


def build() -> Parts:
    """Write the corpus: stories of one seed to train on, and different stories of another seed, held out."""
    train = _stories(_TRAIN_SEED, TRAIN_BYTES, frozenset())
    held_out = _stories(_HELD_OUT_SEED, HELD_OUT_BYTES, frozenset(train))
    return Parts(*("".join(f"{story}\n\n\n" for story in side).encode("ascii") for side in (train, held_out)))


def _stories(seed: int, n_bytes: int, excluded: frozenset[str]) -> list[str]:
    """Write stories until they fill a number of bytes."""
    rng = random.Random(seed)
    stories: list[str] = []
    total = 0
    while total < n_bytes:
        story = write_story(rng)
        if story not in excluded:
            stories.append(story)
            total += len(story) + 3
    return stories


def write_story(rng: random.Random, plot: Plot | None = None) -> str:
    """Write one story: a title and paragraphs, separated by blank lines. A plot that is not given is drawn."""
    plot = pick(PLOTS, rng) if plot is None else plot
    season = pick(plot.seasons, rng)
    rules = {**RULES, "sky": SKIES[season]}
    slots = _cast(pick(WORLDS, rng), season, rng)
    for names, rows in plot.slots.items():
        taken: list[int] = []
        for group in names.split(","):
            free = [index for index in range(len(rows)) if index not in taken]
            taken.append(pick(free, rng))
            row = rows[taken[-1]]
            values = (row,) if isinstance(row, str) else row
            slots |= {name: expand(value, slots, rules, rng) for name, value in zip(group.split(), values, strict=True)}
    title = _title_case(expand(plot.title, slots, rules, rng))
    return "\n\n".join([title, *(expand(paragraph, slots, rules, rng) for paragraph in plot.paragraphs)])


def _cast(world: World, season: str, rng: random.Random) -> dict[str, str]:
    """Draw the slots that every plot has: the characters, the place and the time."""
    mine, theirs = (MALE, FEMALE) if rng.random() < 0.5 else (FEMALE, MALE)
    kind, other_kind = pick(world.kinds[mine], rng), pick(world.kinds[theirs], rng)
    trait, other_trait = pick(TRAITS, rng), pick(TRAITS, rng)
    home, house = pick(world.homes, rng)
    helper, helper_call, helper_is = pick(world.helpers, rng)
    slots = {
        "hero": pick(world.names[mine], rng),
        "kind": kind,
        "kind_noun": kind.removeprefix("little ").removeprefix("small ").removeprefix("young "),
        "trait": trait,
        "friend": pick(world.names[theirs], rng),
        "a_friend": f"a@ {other_trait} {other_kind}",
        "helper_call": helper_call,
        "home": home,
        "house": house,
        "hand": world.hand,
        "season": season,
        "place": pick(world.places, rng),
        "day": pick(DAYS[season], rng),
        "hobby": pick(HOBBIES, rng),
    }
    for prefix, pronouns in (("", mine), ("f", theirs), ("h", helper_is)):  # {he}, {fhe} the friend, {hhe} the helper
        slots |= {f"{prefix}{form}": pronoun for form, pronoun in asdict(pronouns).items()}
    slots["helper"] = expand(helper, slots, RULES, rng)
    slots["your_helper"] = expand(helper.replace("{his}", "your"), slots, RULES, rng)  # said by the friend to the hero
    slots["feature"] = expand(pick(world.features, rng), slots, RULES, rng)
    return slots


def _title_case(text: str) -> str:
    """Capitals as in a book's title: "the way home" → "The Way Home"."""
    words = text.split(" ")
    return " ".join(
        word if index > 0 and word in _SMALL_WORDS else word[0].upper() + word[1:] for index, word in enumerate(words)
    )
