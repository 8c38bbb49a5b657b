"""The figures of sweeps and races: what they plot, what they say, and that they keep out of the others."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
import vl_convert

from bench.training.options import NANOGPT_TARGET
from sitegen.figures import FIGURES
from sitegen.figures.render import STATIC_WIDTH, chart_spec
from sitegen.figures.training.learning_rate import recipe_words
from sitegen.numbers.quoted_rows import QuotedRows
from sitegen.numbers.registry import resolve_number
from sitegen.rows.results import load_results
from sitegen.rows.training import training_runs
from sitegen.text.palette import LIGHT
from tests.sitegen import example_rows as rows


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_results(rows.store(tmp_path_factory.mktemp("results"), *rows.sweep(), *rows.race()))


def test_a_sweep_is_a_curve_per_recipe_with_what_diverged(results):
    plotted = FIGURES["learning_rate"].rows(results)
    assert plotted.groupby("recipe")["rate"].apply(list).to_dict() == {
        "constant": [3e-4, 3e-3, 3e-2],
        "warm-up and cosine": [3e-4, 3e-3, 3e-2],
    }
    failed = plotted[plotted["state"] == "failed"]
    assert failed[["recipe", "rate", "loss_text"]].to_numpy().tolist() == [["constant", 3e-2, "diverged"]]
    words = FIGURES["learning_rate"].describe(plotted)
    assert "lowest at 0.0003, 2.000 nats per byte" in words and "1 diverged." in words


@pytest.mark.parametrize(
    "optimizer, words",
    [
        ("AdamW", "constant"),
        ("AdamW; rate warmed up over 9 updates", "warm-up, then constant"),
        ("AdamW; cosine to 0.1 of the rate at update 9", "cosine"),
        ("AdamW; rate warmed up over 9 updates; cosine to 0.1 of the rate at update 9", "warm-up and cosine"),
    ],
)
def test_a_recipe_in_words(optimizer, words):
    assert recipe_words(optimizer) == words


def test_a_race_shows_every_engine_and_when_it_was_there(results):
    plotted = FIGURES["race"].rows(results)
    assert set(plotted["variant"]) == {"vectorized", "torch"}
    ours, theirs = (plotted[plotted["variant"] == name] for name in ("vectorized", "torch"))
    assert (theirs["minutes"].to_numpy() == 2 * ours["minutes"].to_numpy()).all()
    steps = results.steps[results.steps["run_id"] == "race-torch"]
    reached = steps[steps["held_out_loss"] <= NANOGPT_TARGET]["elapsed_seconds"]
    assert reached.min() == theirs[theirs["loss"] <= NANOGPT_TARGET]["minutes"].min() * 60
    assert f"torch (nanogpt, 400 steps) at {NANOGPT_TARGET:g} after 7.50 min" in FIGURES["race"].describe(plotted)


@pytest.mark.parametrize(
    "name, text",
    [
        ("sweep.loss.constant.3e-4", "2.00"),
        ("sweep.loss.constant.3e-2", "diverged"),
        ("sweep.loss.warmup.3e-3", None),
        ("sweep.loss.cosine.1e-4", None),
        ("sweep.best.constant", "2.00 at 3e-4"),
        ("race.over.torch", "2.00× (one race each)"),
        ("race.over.pytorch-best", "2.00× (one race each)"),
        ("race.over.torch-compile", None),
        ("race.time.torch", "7.50 min"),
        ("race.engine", "vectorized"),
        ("race.time.ours", "3.75 min"),
        ("race.sooner", None),
    ],
)
def test_what_prose_says_of_them_is_what_they_show(results, name, text):
    found = resolve_number(name, QuotedRows(results))
    assert found.text == text
    assert bool(found.runs) == (text is not None)
    assert found.command.startswith(f"invoke {name.split('.')[0]}")


def test_the_lowest_loss_of_all_races_comes_with_its_time(results):
    text = resolve_number("race.lowest.ours", QuotedRows(results)).text
    plotted = FIGURES["race"].rows(results).query("variant == 'vectorized'")
    row = plotted.loc[plotted["loss"].idxmin()]
    assert text == f"{row['loss']:.2f} after {row['time_text']}"


def test_the_newest_sweep_speaks(tmp_path):
    older, newer = rows.sweep(), rows.sweep(steps=40, run_id="z-sweep")
    quoted = QuotedRows(load_results(rows.store(tmp_path, *older, *newer)))
    assert "40 steps" in resolve_number("sweep.best.cosine", quoted).source


def test_two_recipes_are_two_lines_of_one_engine(tmp_path):
    other = rows.training("race-other", "tiny", 200, (), suite="race")
    plotted = FIGURES["race"].rows(load_results(rows.store(tmp_path, *rows.race(), other)))
    assert set(plotted[plotted["variant"] == "vectorized"]["recipe"]) == {"nanogpt, 400 steps", "tiny, 200 steps"}


def test_the_target_of_a_race_is_named_at_its_end_in_a_colour(results):
    spec = chart_spec(FIGURES["race"], FIGURES["race"].rows(results), LIGHT) | {"width": STATIC_WIDTH}
    svg = vl_convert.vegalite_to_svg(json.dumps(spec), vl_version="6.4")
    assert re.search(rf'<text[^>]*fill="{LIGHT.rival}"[^>]*>{NANOGPT_TARGET:g}: nanoGPT', svg)


def test_sweeps_and_races_stay_out_of_the_other_figures(results):
    assert training_runs(results) == []
    assert FIGURES["loss"].rows(results).empty


def test_without_them_there_is_nothing_to_plot(tmp_path):
    others = load_results(rows.store(tmp_path, rows.training(steps=120)))
    for name in ("learning_rate", "race"):
        assert FIGURES[name].rows(others).empty
        assert FIGURES[name].command.startswith(("invoke sweep", "invoke race"))


def test_runs_by_the_clock_are_lines_that_end_with_their_finding(tmp_path):
    figure = FIGURES["minutes"]
    plotted = figure.rows(load_results(rows.store(tmp_path, *rows.by_the_clock(), rows.training())))
    assert plotted.groupby("line")["evaluated"].apply(list).to_dict() == {
        "1 min, tiny": ["a part of the held-out text", "the whole held-out text"],
        "5 min, small": ["a part of the held-out text"] * 3 + ["the whole held-out text"],
    }
    ends = plotted.groupby("line")["loss"].last()
    words = "1 minute buys a held-out loss of {:.3f} on tinyshakespeare; 5 minutes buy {:.3f}"
    assert figure.words(plotted).headline == words.format(*ends)
    longer = plotted[plotted["planned"] == 5].assign(line="15 min", planned=15.0)
    assert figure.words(pd.concat([plotted, longer.assign(loss=9.0)])).headline == f"{words.format(*ends)}, the lowest"
    assert figure.words(plotted[plotted["planned"] == 1]).headline == words.partition(";")[0].format(*ends)
