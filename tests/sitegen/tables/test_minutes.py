"""Tables of runs by the clock, races and ablations, from rows that the program itself recorded."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import pytest

from bench.training.ablation import run_ablation
from bench.training.record_training import record_events
from sitegen.rows.minutes import ablated, clock_runs
from sitegen.rows.results import load_results
from sitegen.tables.minutes import ablation_table, minutes_table, minutes_texts, targets_table
from tests.bench.training.test_race import CORPUS
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    corpus = replace(CORPUS, name="tinyshakespeare")
    plan = TrainingPlan(
        root / "run", preset="tiny", corpus="tinyshakespeare", engine="numpy", recipe="muon", steps=4, warmup_steps=0
    )
    list(record_events(run_session(replace(plan, minutes=0.01), corpus), root))
    plan = replace(plan, out=root / "unused", warmup_steps=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.training.ablation._ALL_BATCHES", 2)  # the held-out text in part takes less time
        list(run_ablation(plan, corpus, root, ("none", "adamw", "double-batch"), (0, 1)))
    return load_results(root)


def test_a_run_by_the_clock_has_its_minutes_and_its_text(results):
    assert [one.minutes for one in clock_runs(results)] == [0.01]
    table = unescape(minutes_table(results))
    assert ">0.01<" in table and "cannot tell" in table
    assert "0.01 min" in unescape(minutes_texts(results))


def test_an_ablation_is_read_back_as_the_ideas_it_was(results):
    found = ablated(results)
    assert {key: [one.idea for one in ideas] for key, ideas in found.items()} == {
        ("tiny", 4): ["none", "adamw", "double-batch"]
    }
    assert {len(one.losses) for one in found["tiny", 4]} == {2}
    table = ablation_table(results)
    assert "AdamW for all parameters" in table and "twice the batch" in table


def test_without_a_race_the_command_is_named(results):
    assert "invoke race" in targets_table(results)
