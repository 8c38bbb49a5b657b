"""Short children's stories, written by a seeded grammar: simple words, one hero, one wish, one end.

A story draws a hero, a friend and somebody older, a place and a season, then a plot with its own things. These stay
the same through the story, while the sentences around them are drawn anew. Hero and friend never share a pronoun, so
that "he" and "she" always say who is meant. The idea of a small world in simple words, in which a small model can
become fluent, is that of TinyStories (Eldan & Li 2023).
"""

from __future__ import annotations

import random

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
    """Write the corpus: stories of one seed to train on, and stories of another that none of them equals."""
    train = _stories(_TRAIN_SEED, TRAIN_BYTES, frozenset())
    held_out = _stories(_HELD_OUT_SEED, HELD_OUT_BYTES, frozenset(train))
    return Parts(*("".join(f"{story}\n\n\n" for story in side).encode("ascii") for side in (train, held_out)))


def _stories(seed: int, n_bytes: int, excluded: frozenset[str]) -> list[str]:
    """Stories in the order they are written, until they fill a number of bytes."""
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
    """One story: a title, a blank line, and paragraphs with a blank line between.

    Args:
        rng: where every choice comes from.
        plot: the shape of the story; drawn as well when omitted.
    """
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
    """Who the story is about, and where and when: the slots that every plot has."""
    mine, theirs = (MALE, FEMALE) if rng.random() < 0.5 else (FEMALE, MALE)
    kind, other_kind = pick(world.kinds[mine], rng), pick(world.kinds[theirs], rng)
    trait, other_trait = pick(TRAITS, rng), pick(TRAITS, rng)
    home, house = pick(world.homes, rng)
    helper, helper_call, helper_is = pick(world.helpers, rng)
    slots = {
        "hero": pick(world.names[mine], rng),
        "he": mine.he,
        "him": mine.him,
        "his": mine.his,
        "himself": mine.himself,
        "kind": kind,
        "kind_noun": kind.removeprefix("little ").removeprefix("small ").removeprefix("young "),
        "trait": trait,
        "friend": pick(world.names[theirs], rng),
        "fhe": theirs.he,
        "fhim": theirs.him,
        "fhis": theirs.his,
        "a_friend": f"a@ {other_trait} {other_kind}",
        "hhe": helper_is.he,
        "hhim": helper_is.him,
        "hhis": helper_is.his,
        "helper_call": helper_call,
        "home": home,
        "house": house,
        "hand": world.hand,
        "season": season,
        "place": pick(world.places, rng),
        "day": pick(DAYS[season], rng),
        "hobby": pick(HOBBIES, rng),
    }
    slots["helper"] = expand(helper, slots, RULES, rng)
    slots["your_helper"] = expand(
        helper.replace("{his}", "your"), slots, RULES, rng
    )  # as the friend says it to the hero
    slots["feature"] = expand(pick(world.features, rng), slots, RULES, rng)
    return slots


def _title_case(text: str) -> str:
    """Capitals as in a book's title: "the way home" → "The Way Home"."""
    words = text.split(" ")
    return " ".join(
        word if index > 0 and word in _SMALL_WORDS else word[0].upper() + word[1:] for index, word in enumerate(words)
    )
