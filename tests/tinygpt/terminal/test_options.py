"""Options derived from a dataclass, and command lines read into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from invoke import Collection

from tinygpt.errors import ConfigError
from tinygpt.terminal.options import REQUIRED, Repeated, option, options_of, read_options, split_names
from tinygpt.terminal.program import read_words
from tinygpt.terminal.tasks import task


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Options of both tasks.

    Attributes:
        seed: of ``everything``,
            the second line too.
        place: where.
    """

    seed: int = 0
    place: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Cooking(Shared):
    """Options of cook.

    Attributes:
        batch_size: at once.

    Raises:
        ConfigError: never.
    """

    dish: str = option(REQUIRED, "what")
    mode: Literal["fry", "boil"] = option("fry", "how")
    spices: tuple[str, ...] = option(("salt",), "some")
    notes: Repeated[str] = option((), "any number")
    heat: float | Literal["auto"] | None = option(None, "in watts")
    batch_size: int = field(default=1, metadata={"option": "batch"})
    dry: bool = option(False, "whether")
    seed: int = 7


@task()
def cook(options: Cooking) -> None:
    """Cook a dish."""


@task(aliases=["cook away"])
def wash(options: Shared) -> None:
    """Wash the dishes."""


TASKS = Collection(cook, wash)


def cooking(*words: str) -> Cooking:
    (call,), _ = read_words(["cook", *words], TASKS)
    return read_options(Cooking, "cook", call.given)


def test_names_defaults_and_helps_come_from_the_dataclass() -> None:
    shown = {option.label: (option.default_text, option.help) for option in options_of(Cooking)}
    assert shown == {
        "--seed": ("7", "of `everything`, the second line too"),
        "--place": ("none", "where"),
        "DISH": ("required", "what"),
        "--mode": ("fry", "how"),
        "--spices": ("salt", "some"),
        "--notes": ("none", "any number"),
        "--heat": ("none", "in watts"),
        "--batch": ("1", "at once"),
        "--dry": ("off", "whether"),
    }


def test_texts_become_values_of_the_annotated_types() -> None:
    assert cooking("soup") == Cooking(dish="soup")
    words = (
        "--mode=boil soup --spices pepper,a[x=1,y=2] --notes one --notes=--two --heat auto --batch 3 --dry --place p"
    )
    assert cooking(*words.split()) == Cooking(
        dish="soup", mode="boil", spices=("pepper", "a[x=1,y=2]"), notes=("one", "--two"), heat="auto", batch_size=3,
        dry=True, place=Path("p"),
    )  # fmt: skip
    assert cooking("--dish", "soup", "--heat", "-1.5").heat == -1.5


@pytest.mark.parametrize("option", ["heat", "place", "seed", "mode", "spices", "notes", "dish"])
def test_an_empty_value_is_refused(option: str) -> None:
    given = ["--heat", "1"] if option == "dish" else ["soup"]
    for words in ([f"--{option}="], [f"--{option}", ""]):
        with pytest.raises(ConfigError, match=f"{'DISH' if option == 'dish' else f'--{option}'} is empty; allowed: "):
            cooking(*given, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("soup --heat nan", "--heat is 'nan'; allowed: a finite number or auto; run: invoke --help cook"),
        ("soup --batch 9223372036854775808", "a whole number below 2^63"),
        ("soup --mode friy", "--mode is 'friy' (did you mean 'fry'?); allowed: fry, boil"),
        ("soup --notes --dry", "--notes has no value"),
        ("soup --dry=1", "--dry has the value '1'"),
        ("soup --seed 1 --seed 2", "--seed is given twice"),
        ("soup stew", "cook takes no value 'stew' (did you mean '--seed stew'?)"),
        ("soup --data x", "cook has no option '--data'"),
        ("--dry", "cook was not given DISH"),
        ("soup washh", "cook takes no value 'washh'"),
    ],
)
def test_a_slip_is_one_line_that_names_the_task(words: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        cooking(*words.split())
    assert message in str(error.value)
    assert str(error.value).endswith("run: invoke --help cook")


def test_tasks_follow_one_another_and_a_required_value_may_be_called_like_one() -> None:
    calls, _ = read_words(["cook", "wash", "--dry", "wash", "--seed", "3"], TASKS)
    assert calls == [("cook", {"dish": "wash", "dry": True}), ("wash", {"seed": "3"})]


def test_an_alias_of_two_words_is_typed_as_two() -> None:
    assert read_words(["cook", "away", "--seed", "3"], TASKS) == ([("wash", {"seed": "3"})], "")


def test_help_may_follow_the_task() -> None:
    assert read_words(["wash", "--help"], TASKS) == read_words(["wash", "-h"], TASKS) == ([], "wash")


def test_names_are_split_at_the_commas_outside_brackets() -> None:
    assert split_names("numpy, vectorized[threads=1,kernels=numpy],,python") == [
        "numpy", "vectorized[threads=1,kernels=numpy]", "python",
    ]  # fmt: skip
