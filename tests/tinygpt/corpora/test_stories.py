"""The story grammar and its stories: the same on every machine, grammatical, about one subject each."""

import random
import re

import pytest

from tinygpt.corpora import load_corpus
from tinygpt.corpora.stories import corpus as stories
from tinygpt.corpora.stories.grammar import expand
from tinygpt.corpora.stories.rules import DAYS, RULES, SKIES
from tinygpt.corpora.stories.words import FEMALE, MALE, WORLDS


def write(template, seed=0, rules=None, **slots):
    return expand(template, slots, rules or {}, random.Random(seed))


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("stories")


@pytest.fixture(scope="module")
def sample(corpus):
    """Every story of the training part."""
    return corpus.train.decode("ascii").removesuffix("\n\n\n").split("\n\n\n")


def test_slots_keep_their_value_and_take_a_capital():
    assert write("{Toy}, a@ {toy} and {Hero}.", toy="old kite", hero="Mia") == "Old kite, an old kite and Mia."


def test_alternatives_are_drawn_and_may_be_empty_or_nested():
    seen = {write("one[ two| three[ four| five]|] six", seed) for seed in range(200)}
    assert seen == {"one two six", "one three four six", "one three five six", "one six"}


def test_rules_expand_in_turn():
    rules = {"pet": ("<small> dog", "owl"), "small": ("tiny",)}
    assert {write("a@ <pet>", seed, rules) for seed in range(50)} == {"a tiny dog", "an owl"}


def test_the_same_seed_writes_the_same_text():
    template = "[a|b|c|d][a|b|c|d][a|b|c|d]"
    assert write(template, 5) == write(template, 5) == "ccd"  # pinned: other machines draw the same


@pytest.mark.parametrize("template", ["[a|b", "a]b", "a|b", "{}", "a < b", "[a|{b]"])
def test_a_malformed_template_is_refused(template):
    with pytest.raises(ValueError, match="template"):
        write(template, b="x")


@pytest.mark.parametrize("template", ["{unknown}", "<unknown>"])
def test_an_unknown_name_is_refused(template):
    with pytest.raises(KeyError):
        write(template)


def test_there_are_many_plots():
    assert len(stories.PLOTS) >= 20
    assert len({plot.name for plot in stories.PLOTS}) == len(stories.PLOTS)


def words_in(template):
    return {name.lower() for name in re.findall(r"\{(\w+)\}", template)}, set(re.findall(r"<(\w+)>", template))


@pytest.mark.parametrize("plot", stories.PLOTS, ids=lambda plot: plot.name)
def test_a_plot_uses_only_existing_slots_and_rules(plot):
    cast = set(stories._cast(WORLDS[0], "spring", random.Random(0)))
    own = {name for names in plot.slots for name in names.replace(",", " ").split()}
    slots, rules = words_in(plot.title + plot.text)
    assert slots <= cast | own
    assert rules <= set(RULES) | {"sky"}
    assert set(plot.seasons) <= set(DAYS)
    for rows in plot.slots.values():
        for row in rows:
            for value in (row,) if isinstance(row, str) else row:
                assert words_in(value)[0] <= cast | own
                assert words_in(value)[1] <= set(RULES)
    assert 5 <= len(plot.paragraphs) <= 8


def test_shared_rules_use_only_the_slots_of_every_story():
    cast = set(stories._cast(WORLDS[1], "winter", random.Random(0)))
    for templates in [*RULES.values(), *SKIES.values()]:
        for template in templates:
            assert words_in(template)[0] <= cast
            assert words_in(template)[1] <= set(RULES)


def test_hero_and_friend_never_share_a_pronoun():
    for seed in range(50):
        cast = stories._cast(WORLDS[seed % 2], "summer", random.Random(seed))
        assert {cast["he"], cast["fhe"]} == {"he", "she"}
        assert cast["hero"] in WORLDS[seed % 2].names[MALE if cast["he"] == "he" else FEMALE]


def test_pronouns_follow_the_hero(sample):
    opening = r"Once there was .+ (boy|girl)\b.*? whose name was \w+\. (He|She|\w+) "
    openings = [re.match(opening, story.split("\n\n")[1])
                for story in sample]  # fmt: skip
    seen = {(match[1], match[2]) for match in openings if match and match[2] in ("He", "She")}
    assert seen == {("boy", "He"), ("girl", "She")}


def test_a_story_keeps_its_hero_friend_and_thing():
    plot = next(plot for plot in stories.PLOTS if plot.name == "something loved is lost and found")
    for seed in range(30):
        story = stories.write_story(random.Random(seed), plot)
        toy = re.search(r"in the whole world was an? ([a-z ]+)\.", story)[1]
        hero = re.search(r'I have lost my .+?," said (\w+)|My .+? is gone," said (\w+)', story)
        hero = hero[1] or hero[2]
        assert story.count(hero) >= 6
        assert f"And there was the {toy}, " in story


def test_the_corpus_is_text_of_stories_only(corpus, sample):
    text = corpus.train.decode("ascii")
    assert not re.search(r"[\[\]{}<>|@_]|  ", text)
    assert not re.search(r" [.,;:!?]|[.,;:!?][,;:]|\.\.|\?!|!\?", text)
    assert not re.search(r"\b(\w+) \1\b", text)
    for story in sample:
        title, *paragraphs = story.split("\n\n")
        assert "\n" not in title and title[0].isupper() and len(title) < 60
        assert len(paragraphs) >= 5
        for paragraph in paragraphs:
            assert paragraph.count('"') % 2 == 0
            assert paragraph[0].isupper() or paragraph[0] == '"'
            assert paragraph[-1] in '.!?"'


def test_articles_and_sentence_starts(corpus):
    text = corpus.train.decode("ascii")
    assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiouAEIOUh]", text)
    assert not re.search(r"[a-z][.] [a-z]", text)  # a sentence begins with a capital


def test_stories_vary(sample):
    assert len(sample) > 2_000
    assert len(set(sample)) == len(sample)
    assert len({story.split("\n\n", 1)[0] for story in sample}) > 1_000
    words = " ".join(sample[:1000]).split()
    eights = [tuple(words[i : i + 8]) for i in range(len(words) - 8)]
    assert len(set(eights)) > len(eights) / 2


def test_no_story_is_on_both_sides(corpus, sample):
    held_out = corpus.held_out.decode("ascii").removesuffix("\n\n\n").split("\n\n\n")
    assert len(held_out) > 200
    assert not set(sample) & set(held_out)


def test_a_duplicate_is_dropped_from_the_held_out_side():
    stories_of_seed = stories._stories(9, 5_000, frozenset())
    without = stories._stories(9, 5_000, frozenset(stories_of_seed[:2]))
    assert without[: len(stories_of_seed) - 2] == stories_of_seed[2:]
