"""One run or some variants in place of all rows."""

from __future__ import annotations

import pytest

from sitegen.figures import FIGURES
from sitegen.rows.choice import Choice
from sitegen.rows.results import Results, load_results
from tests.sitegen import example_rows as rows
from tinygpt.errors import ConfigError

FIGURE = FIGURES["speedup"]
HERE = "20261130T081506Z-239b27ff-3641"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A published ladder, and a run of this machine with two variants of its own."""
    root = rows.store(tmp_path_factory.mktemp("results"), rows.ladder("theirs"))
    names = ("numpy", "vectorized[threads=1]", "vectorized[threads=2]")
    mine = rows.joined(*(rows.cell(name, "small", 9.0 + number, HERE) for number, name in enumerate(names)))
    return load_results(rows.store(root, mine, published=False))


def drawn(choice: Choice, results: Results) -> set[tuple[str, str]]:
    """Machine and variant of the rows of the main figure."""
    found = choice.rows(FIGURE.rows, results)
    areas = found["machine"].str.partition(":")[0]
    return set(zip(areas, found["variant"], strict=True))


def test_a_run_is_drawn_alone_and_a_variant_with_its_baseline(results: Results) -> None:
    of_run = drawn(Choice(HERE), results)
    assert of_run == {
        ("this machine (local)", name) for name in ("numpy", "vectorized[threads=1]", "vectorized[threads=2]")
    }
    found = Choice(HERE, ("vectorized[threads=2]",)).rows(FIGURE.rows, results)
    assert set(found["variant"]) == {"vectorized[threads=2]"}
    assert "numpy" in set(found["baseline"])
    assert set(found["tier"]) == {0}


def test_what_other_sites_show_is_published_unless_a_run_is_asked_for(results: Results) -> None:
    everything, run = Choice(), Choice(HERE)
    assert {machine for machine, _ in drawn(everything, everything.to_embed(results))} == {"published"}
    assert {machine for machine, _ in drawn(run, run.to_embed(results))} == {"this machine (local)"}
    published = everything.to_embed(results)
    assert everything.to_embed(published) is published
    assert published.calibrations is results.calibrations


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        (
            Choice("20261130T081506Z-239b27ff-3642"),
            rf"unknown run '.*-3642' \(did you mean '{HERE}'\?\); .*results show",
        ),
        (Choice(variants=("vectorised",)), r"unknown variant 'vectorised' \(did you mean 'vectorized'\?\); allowed: "),
        (Choice(HERE, ("vectorized",)), r"unknown variant 'vectorized' .*allowed: numpy, vectorized\[threads=1\]"),
    ],
)
def test_a_choice_of_nothing_is_one_line(results: Results, choice: Choice, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        choice.check(results)
    assert "\n" not in str(caught.value)
