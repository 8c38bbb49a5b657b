"""Races and sweeps: every variant has a row, the clock counts only training, and failures are recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.records.store import read_table
from bench.training.race import Program, Race, program_command, programs, run_race
from bench.training.sweep import run_sweep
from tinygpt.corpora import Corpus
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine, fastest_engine
from tinygpt.errors import ConfigError
from tinygpt.evaluation.loss import text_loss
from tinygpt.presets import PRESETS
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.trainer import Trainer

SENTENCES = "The fox saw a hen. The hen saw the fox. Off she went, over the wall and home again.\n"
CORPUS = Corpus("fables", (SENTENCES * 40).encode(), (SENTENCES[::-1] * 4).encode(), "public domain", "written here")
PLAN = TrainingPlan(Path("unused"), preset="tiny", corpus="fables", steps=6, recipe="cosine")


@pytest.fixture(scope="module")
def raced(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    events = []
    race = Race(programs(PLAN, ("vectorized[threads=1]", "numpy")), target=5.4, evaluations=3)
    return (
        root,
        race,
        run_race(race, CORPUS, root, lambda program, event: events.append((program, event["event"])), root / "lock"),
        events,
    )


def test_every_variant_is_a_training_run(raced):
    root, race, result, events = raced
    runs = read_table("runs", root)
    assert [finish.status for finish in result.finishes] == ["ok", "ok"], result
    assert runs["variant"].tolist() == [program.variant for program in race.programs]
    assert set(runs["run_id"]) == {result.run_id}
    assert set(runs["suite"]) == {"race"} and set(runs["kind"]) == {"train"}
    assert runs["protocol_hash"].nunique() == 1
    assert '"optimizer":"AdamW; cosine to 0.1 of the rate at update 6"' in runs["protocol"].iloc[0]
    assert (runs["steps_done"] == 6).all()
    assert events.count(("numpy, tiny, seed 0", "evaluation")) == 3
    assert result.exit_code == 0


def test_all_variants_do_the_same_work(raced):
    root = raced[0]
    steps = read_table("steps", root)
    first, second = (own.sort_values("step") for _, own in steps.groupby("cell_id", sort=False, observed=True))
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-5)
    assert first["held_out_loss"].notna().tolist() == [False, True] * 3
    preset = PRESETS["tiny"]
    train = PLAN.train_config(preset.train)
    engine = create_engine("numpy", preset.model, train, 0)
    sampler = BatchSampler(CORPUS.train_tokens, 16, 32, 0)
    list(Trainer(engine, sampler).run(0, 6))
    expected = text_loss(engine, CORPUS.held_out_tokens)
    assert second["held_out_loss"].iloc[-1] == pytest.approx(expected, rel=1e-6)


def test_the_clock_counts_only_training(raced):
    root, race, result, _ = raced
    steps = read_table("steps", root)
    for finish in result.finishes:
        own = steps[steps["cell_id"].str.contains(f"/{finish.program.variant}/", regex=False)].sort_values("step")
        np.testing.assert_allclose(own["elapsed_seconds"], own["seconds"].cumsum(), rtol=1e-9)
        assert finish.seconds == own["elapsed_seconds"].iloc[-1]
        reached = own[own["held_out_loss"] <= race.target]
        assert finish.seconds_to_target == reached["elapsed_seconds"].iloc[0]


def test_a_variant_that_cannot_run_has_a_row(tmp_path):
    race = Race(programs(PLAN, ("bench.nowhere:Engine",)), 1.9)
    result = run_race(race, CORPUS, tmp_path, lock_file=tmp_path / "lock")
    assert result.finishes[0].status == "crashed"
    assert "nowhere" in str(result.finishes[0].reason)
    assert result.exit_code == 1
    assert read_table("runs", tmp_path)["status"].tolist() == ["crashed"]


def test_a_race_names_its_command_and_refuses_wrong_settings(raced):
    race = raced[1]
    assert program_command(race, race.programs[1], "fables") == (
        "invoke race --preset tiny --corpus fables --steps 6 --seeds 0 --recipe cosine --target 5.4 --evaluations 3 "
        "--engines 'numpy'"
    )
    twice = {"programs": (race.programs[0], race.programs[0])}
    for wrong in ({"programs": ()}, {"target": 0.0}, {"evaluations": 0}, twice):
        with pytest.raises(ConfigError):
            Race(**{"programs": race.programs, "target": 1.9} | wrong)


def test_two_recipes_race_over_several_seeds_in_turns():
    found = programs(replace(PLAN, recipe="muon"), ("auto", "torch"), nanogpt=("torch",), seeds=(3, 5))
    assert [(one.variant, one.plan.preset, one.plan.recipe, one.plan.seed, one.round) for one in found] == [
        (fastest_engine(), "tiny", "muon", 3, 0),
        ("torch", "tiny", "muon", 3, 0),
        ("torch", "nanogpt", "nanogpt", 3, 0),
        ("torch", "nanogpt", "nanogpt", 5, 1),
        ("torch", "tiny", "muon", 5, 1),
        (fastest_engine(), "tiny", "muon", 5, 1),
    ]
    assert {one.plan.steps for one in found if one.plan.preset == "nanogpt"} == {2000}
    with pytest.raises(ConfigError, match="torch, nanogpt, seed 0, 2 times"):
        Race(programs(replace(PLAN, preset="nanogpt"), ("torch",), nanogpt=("torch",)), 1.9)


def test_a_race_trains_by_every_setting_of_its_recipe(tmp_path):
    plan = replace(PLAN, recipe="muon", steps=3)
    race = Race((Program("numpy", plan),), target=5.4, evaluations=1)
    run_race(race, CORPUS, tmp_path, lock_file=tmp_path / "lock")
    preset = PRESETS["tiny"]
    engine = create_engine("numpy", preset.model, plan.train_config(preset.train), 0)
    expected = [record.loss for record in Trainer(engine, BatchSampler(CORPUS.train_tokens, 16, 32, 0)).run(0, 3)]
    np.testing.assert_allclose(read_table("steps", tmp_path).sort_values("step")["loss"], expected, rtol=1e-6)


# ---- sweeps --------------------------------------------------------------------------------------------------


def test_a_sweep_records_every_rate_also_one_that_diverges(tmp_path):
    plan = TrainingPlan(tmp_path / "unused", preset="tiny", corpus="fables", engine="numpy", steps=3, eval_every=9)
    points = list(run_sweep(plan, CORPUS, tmp_path, rates=(1e-3, 1e30), recipes=("constant", "warmup")))
    assert [(point.recipe, point.learning_rate) for point in points] == [
        ("constant", 1e-3), ("constant", 1e30), ("warmup", 1e-3), ("warmup", 1e30),
    ]  # fmt: skip
    assert [point.status for point in points] == ["ok", "diverged", "ok", "diverged"]
    assert points[0].held_out_loss is not None and points[1].held_out_loss is None
    runs = read_table("runs", tmp_path).sort_values("started_at")
    assert runs["suite"].unique().tolist() == ["sweep"]
    assert runs["status"].tolist() == ["ok", "diverged", "ok", "diverged"]
    assert not (tmp_path / "unused").exists()


def test_an_empty_sweep_is_refused(tmp_path):
    plan = TrainingPlan(tmp_path / "unused", preset="tiny", corpus="fables", steps=3)
    with pytest.raises(ConfigError, match="no rates or no recipes"):
        list(run_sweep(plan, CORPUS, tmp_path, rates=(), recipes=("constant",)))
    with pytest.raises(ConfigError, match="unknown recipe 'cosin'"):
        list(run_sweep(plan, CORPUS, tmp_path, rates=(1e-3,), recipes=("cosin",)))
