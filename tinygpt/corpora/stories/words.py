"""Words for the story grammar: characters, their homes, and the things that they love."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Pronouns:
    """Four forms of a pronoun."""

    he: str
    him: str
    his: str
    himself: str


MALE = Pronouns("he", "him", "his", "himself")
FEMALE = Pronouns("she", "her", "her", "herself")


@dataclass(frozen=True)
class World:
    """A world for stories: children or animals. Its templates may use the hero's slots.

    Attributes:
        names: pronouns → names, so that hero and friend never share a pronoun.
        kinds: pronouns → kinds of character.
        homes: pairs of a home and the one word for it.
        helpers: older characters: name in the text, form of address, pronouns.
        features: memorable features of a character.
        places: places to go to, with "the".
        hand: the word for a character's hand.
    """

    names: MappingProxyType[Pronouns, tuple[str, ...]]
    kinds: MappingProxyType[Pronouns, tuple[str, ...]]
    homes: tuple[tuple[str, str], ...]
    helpers: tuple[tuple[str, str, Pronouns], ...]
    features: tuple[str, ...]
    places: tuple[str, ...]
    hand: str


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ANIMALS = (
    "rabbit", "mouse", "fox", "hedgehog", "bear cub", "squirrel", "badger", "kitten", "puppy", "lamb", "mole",
    "raccoon", "pony", "piglet", "dormouse", "chipmunk", "hare", "porcupine", "calf", "weasel",
)  # fmt: skip

CHILDREN = World(
    names=MappingProxyType(
        {
            MALE: _split(
                "Tom Ben Sam Leo Max Finn Jack Noah Omar Ravi Tim Oscar Hugo Emil Milo Jonah Luca Nico Otto Peter Adam "
                "Felix Theo Arthur Ali Kofi Daniel Owen Rory Simon Toby Victor Walter Yusuf Anton Bruno Eric George"
            ),
            FEMALE: _split(
                "Mia Lily Anna Ella Rosa Sara Lucy Emma Nora Zoe Maya Ruby Clara Ida Jane Kate Leila Nina Olga Polly "
                "Amina Beth Cora Daisy Edith Fatima Greta Hana Ivy June Lena Molly Naomi Priya Sofia Tara Vera Willa"
            ),
        }
    ),
    kinds=MappingProxyType(
        {
            MALE: ("boy", "little boy", "small boy", "young boy"),
            FEMALE: ("girl", "little girl", "small girl", "young girl"),
        }
    ),
    homes=(
        ("a small house at the edge of the village", "house"), ("a tall house near the sea", "house"),
        ("a red house on a hill", "house"), ("a white house beside a windmill", "house"),
        ("a farmhouse with a green door", "farmhouse"), ("a cottage by the river", "cottage"),
        ("an old cottage in the valley", "cottage"), ("a narrow house on a busy street", "house"),
        ("a flat above the bakery", "house"), ("a sunny flat with a tiny balcony", "house"),
        ("a wooden cabin beside the lake", "cabin"), ("a stone cottage under a big oak tree", "cottage"),
    ),
    helpers=(
        ("Grandma", "Grandma", FEMALE), ("Grandpa", "Grandpa", MALE), ("{his} mother", "Mama", FEMALE),
        ("{his} father", "Papa", MALE), ("Aunt Flora", "Aunt Flora", FEMALE), ("Uncle Fred", "Uncle Fred", MALE),
        ("old Mr. Finch", "Mr. Finch", MALE), ("old Mrs. Bell", "Mrs. Bell", FEMALE), ("Mr. Crumb", "Mr. Crumb", MALE),
        ("Mrs. Green", "Mrs. Green", FEMALE), ("old Captain Brook", "Captain Brook", MALE),
        ("Cousin Agnes", "Cousin Agnes", FEMALE),
    ),
    features=(
        "a blue coat with very deep pockets", "a red hat that was a little too big",
        "curly hair that never stayed tidy", "a warm smile for everybody", "a gap between {his} front teeth",
        "yellow boots for every kind of weather", "a loud and happy laugh", "a green scarf that Grandma had made",
        "freckles all over {his} nose", "a pencil behind one ear, always", "quick feet and bright eyes",
        "so many questions that nobody could answer them all",
    ),
    places=(
        "the park", "the market", "the beach", "the forest", "the garden", "the village square", "the old bridge",
        "the river", "the hill", "the lake", "the orchard", "the farm", "the harbour", "the playground",
    ),
    hand="hand",
)  # fmt: skip

ANIMALS = World(
    names=MappingProxyType(
        {
            MALE: _split(
                "Pip Bramble Rusty Barnaby Hopper Dusty Bertie Nutkin Chester Fergus Tumble Basil Hickory Mossy Patch "
                "Jasper Rowan Scamper Digby Biscuit Monty Pebble Wilbur Thistle Button Rufus Alder Nibbles"
            ),
            FEMALE: _split(
                "Hazel Clover Willow Poppy Tansy Bluebell Ginger Maple Dot Juniper Holly Primrose Tilly Snowdrop "
                "Minnie Blossom Acorn Cherry Rosie Nettle Sorrel Twig Marigold Dewdrop Bonnie Ember Robin Violet"
            ),
        }
    ),
    kinds=MappingProxyType(
        {
            pronouns: tuple(f"{size} {animal}" for animal in _ANIMALS for size in ("little", "young", "small"))
            for pronouns in (MALE, FEMALE)
        }
    ),
    homes=(
        ("a cosy burrow under the old oak", "burrow"), ("a warm burrow at the edge of the meadow", "burrow"),
        ("a hollow log beside the stream", "log"), ("a snug den between two rocks", "den"),
        ("a tiny house under a blackberry bush", "house"), ("a round house made of sticks and moss", "house"),
        ("a dry little cave behind the waterfall", "cave"), ("a den in the roots of a beech tree", "den"),
        ("a little house with a roof of leaves", "house"), ("a quiet corner of the barn", "barn"),
    ),
    helpers=(
        ("the old owl", "Owl", MALE), ("the wise turtle", "Turtle", FEMALE),
        ("Grandmother Badger", "Grandmother Badger", FEMALE), ("the old toad", "Toad", MALE),
        ("the grey heron", "Heron", FEMALE), ("{his} mother", "Mama", FEMALE), ("{his} father", "Papa", MALE),
        ("the big brown bear", "Bear", MALE), ("the gentle deer", "Deer", FEMALE), ("the friendly crow", "Crow", MALE),
        ("the old goat", "Goat", MALE), ("Aunt Squirrel", "Aunt Squirrel", FEMALE),
    ),
    features=(
        "a white spot on one ear", "a tiny green scarf", "a red hat with a hole in it", "a loud and happy laugh",
        "bright eyes and quick feet", "a nose that could smell honey from far away",
        "a bag made of leaves for all the treasures that {he} found", "ears that could hear a leaf fall",
        "a blue ribbon that {he} wore on Sundays", "a song for every hour of the day",
        "very small feet and very big plans", "the softest fur for miles around",
    ),
    places=(
        "the meadow", "the river", "the forest", "the pond", "the hill", "the clearing", "the old mill", "the stream",
        "the orchard", "the hollow tree", "the big rock", "the field of clover", "the waterfall", "the farm",
    ),
    hand="paw",
)  # fmt: skip

WORLDS = (CHILDREN, ANIMALS)

TRAITS = (
    "curious", "brave", "shy", "kind", "clever", "cheerful", "quiet", "busy", "gentle", "lively", "careful", "dreamy",
    "friendly", "merry", "patient", "proud", "stubborn", "thoughtful", "eager", "hopeful",
)  # fmt: skip

HOBBIES = (
    "sing", "paint pictures", "count the stars", "climb trees", "tell stories", "look for pretty stones",
    "splash in puddles", "make new friends", "watch the clouds", "listen to the rain", "build little boats",
    "pick berries", "dance in the wind", "look at maps", "play the drum", "draw faces in the sand", "ask questions",
    "chase butterflies", "bake biscuits", "collect feathers", "roll down hills", "read about the sea", "hum songs",
    "watch the ants at work", "wake up before everybody else", "skip over stones", "plan adventures",
    "invent new games", "feed the birds", "look after small things",
)  # fmt: skip

COLOURS = (
    "red", "blue", "green", "yellow", "orange", "purple", "white", "brown", "silver", "golden", "pink", "striped",
)  # fmt: skip

# Things to love and carry: with a colour, then the bare noun.
TOYS = tuple(
    (f"{size}<colour> {noun}", noun)
    for size in ("", "little ", "old ", "shiny ")
    for noun in (
        "kite", "ball", "boat", "drum", "whistle", "hat", "scarf", "bell", "lantern", "bucket", "blanket", "cup",
        "button", "flute", "umbrella", "basket", "marble", "ribbon", "paintbrush", "spoon", "toy train", "music box",
    )
)  # fmt: skip

FOODS = (
    "apple pie", "honey cake", "plum cake", "fresh bread", "nut bread", "cherry pie", "gingerbread", "pear tart",
    "strawberry cake", "apple cake", "cheese pie", "lemon cake", "raisin bread", "chocolate cake", "blueberry pie",
    "almond cake", "carrot cake", "pumpkin pie", "poppy seed cake", "honey bread", "peach tart",
)  # fmt: skip
