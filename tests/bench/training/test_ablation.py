"""Ablations: every idea with every seed is a recorded run that differs from the recipe in one thing."""

from __future__ import annotations

import json

import pytest

from bench.planning.final_losses import ends_of_runs
from bench.records.store import read_table
from bench.training.ablation import IDEAS, run_ablation
from tests.bench.training.test_race import CORPUS
from tinygpt.errors import ConfigError
from tinygpt.training.plan import TrainingPlan


def test_every_idea_changes_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.training.ablation._ALL_BATCHES", 2)  # the held-out text in part takes less time
    monkeypatch.setattr("bench.planning.final_losses.WARMUP_STEPS", 4)  # a shorter run would be one to time its steps
    plan = TrainingPlan(tmp_path / "unused", preset="micro", corpus="fables", engine="numpy", recipe="muon", steps=4)
    ideas = ("none", "adamw", "double-rate", "double-batch")
    outcomes = list(run_ablation(plan, CORPUS, tmp_path, ideas, seeds=(0, 1)))
    assert [(one.idea, one.seed) for one in outcomes] == [(idea, seed) for seed in (0, 1) for idea in ideas]
    runs = read_table("runs", tmp_path).sort_values("started_at")
    assert runs["suite"].unique().tolist() == ["ablation"] and runs["held_out_loss"].notna().all()
    protocols = [json.loads(text) for text in runs["protocol"][:4]]
    assert [fields["optimizer"].startswith("Muon") for fields in protocols] == [True, False, True, True]
    assert protocols[2]["learning_rate"] == 2 * protocols[0]["learning_rate"]
    assert (protocols[3]["batch_size"], protocols[3]["measured_steps"]) == (2, 2)
    assert outcomes[0].held_out_loss != outcomes[4].held_out_loss
    ends = ends_of_runs(runs, read_table("steps", tmp_path), "muon")
    assert [end.loss for end in ends] == [one.held_out_loss for one in outcomes if one.idea == "none"]
    assert len(ends_of_runs(runs, read_table("steps", tmp_path), "stable")) == 2


def test_an_ablation_of_nothing_is_refused(tmp_path):
    plan = TrainingPlan(tmp_path / "unused", preset="tiny", corpus="fables", steps=3)
    with pytest.raises(ConfigError, match="no ideas or no seeds"):
        list(run_ablation(plan, CORPUS, tmp_path, (), (0,)))
    with pytest.raises(ConfigError, match="unknown idea 'nun'"):
        list(run_ablation(plan, CORPUS, tmp_path, ("nun",), (0,)))


def test_every_idea_makes_a_plan(tmp_path):
    plan = TrainingPlan(tmp_path / "unused", preset="tiny", corpus="fables", recipe="muon", steps=100)
    changed = [dict(idea.changes(plan)) for idea in IDEAS.values()]
    assert changed.count({}) == 1
