"""The failure clinic: one fault in each case, each found by the check that is meant for it, and every run on record."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.records.store import read_table
from bench.terminal.show_clinic import print_outcomes
from bench.training.clinic import LEARNING_RATE, PRESET, Outcome, run_clinic
from bench.training.clinic_cases import CASES, HEALTHY, chosen_cases
from bench.training.clinic_checks import check, gradient_errors
from tests.bench.training.test_race import CORPUS
from tinygpt.data import Batch
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.errors import ConfigError
from tinygpt.presets import PRESETS

STEPS = 4


@pytest.fixture(scope="module")
def treated(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    evaluated = []
    outcomes = list(
        run_clinic(
            CASES.values(), CORPUS, STEPS, 0, root, lambda case, event: evaluated.append((case.name, event.step))
        )
    )
    return root, {outcome.case.name: outcome for outcome in outcomes}, evaluated


def test_each_fault_is_found_by_its_own_check_alone(treated):
    found = {name: outcome.findings for name, outcome in treated[1].items()}
    assert {name for name, findings in found.items() if not findings.is_shifted} == {"shift"}
    assert {name for name, findings in found.items() if findings.leaks} == {"mask"}
    wrong = {name: findings.wrong_from for name, findings in found.items() if findings.has_wrong_gradient}
    assert wrong == {"norm": "h.1.mlp.c_proj", "score": "h.1.attn.c_attn"}
    assert found[HEALTHY].leak == 0.0 and found[HEALTHY].gradient_error < 1e-5


def test_every_case_is_a_training_run_that_names_itself(treated):
    root, outcomes, evaluated = treated
    runs = read_table("runs", root).sort_values("started_at")
    assert runs["resolved_variant"].tolist() == [f"numpy[case={name}]" for name in CASES]
    assert set(runs["suite"]) == {"clinic"} and set(runs["kind"]) == {"train"} and set(runs["status"]) == {"ok"}
    assert runs["command"].iloc[2] == "invoke clinic --cases mask --corpus fables --steps 4 --seed 0"
    rates = [json.loads(protocol)["learning_rate"] for protocol in runs["protocol"]]
    assert rates == [LEARNING_RATE * (10 if name == "rate" else 1) for name in CASES]
    assert len(read_table("samples", root)) == len(CASES)
    assert evaluated == [(name, step) for name in CASES for step in range(1, STEPS + 1)]
    steps = read_table("steps", root)
    for (_, row), outcome in zip(runs.iterrows(), outcomes.values(), strict=True):
        own = steps[steps["cell_id"] == row["cell_id"]]
        assert row["held_out_loss"] == own["held_out_loss"].iloc[-1] == outcome.held_out_loss
        assert outcome.lowest == own["held_out_loss"].min()


def test_the_healthy_run_is_an_ordinary_one(treated):
    root = treated[0]
    steps = read_table("steps", root)
    runs = read_table("runs", root).set_index("resolved_variant")
    preset = PRESETS[PRESET]
    engine = NumpyEngine.create(preset.model, preset.train, 0)
    sampler = CASES[HEALTHY].sampler(CORPUS.train_tokens, preset.train.batch_size, preset.model.context_length, 0)
    own = steps[steps["cell_id"] == runs.loc["numpy[case=healthy]", "cell_id"]]
    for step, loss in enumerate(own["loss"]):
        batch = sampler.batch(step)
        assert engine.train_step(batch.inputs, batch.targets, LEARNING_RATE).loss == loss


def test_a_missing_shift_deceives_the_training_loss_and_not_the_sound_one(tmp_path):
    (outcome,) = run_clinic(chosen_cases(["shift"]), CORPUS, 60, 0, tmp_path)
    assert outcome.train_loss < 1.0 < 4.0 < outcome.held_out_loss


def test_a_gradient_check_sees_a_factor_in_one_layer():
    model = PRESETS[PRESET].model

    class Slightly(NumpyEngine):
        def _linear_backward(self, name, dy, x, grads):
            dx = super()._linear_backward(name, dy, x, grads)
            grads["h.1.mlp.c_fc.bias"] = grads.get("h.1.mlp.c_fc.bias", 0) * np.float64(1.01)
            return dx

    tokens = np.random.default_rng(0).integers(0, 256, (2, 9))
    batch = Batch(tokens[:, :-1], tokens[:, 1:])
    engine = Slightly.create(model, PRESETS[PRESET].train, 0)
    errors = gradient_errors(engine, batch)
    assert max(errors, key=errors.__getitem__) == "h.1.mlp.c_fc.bias"
    sound = check(NumpyEngine.create(model, PRESETS[PRESET].train, 0), batch)
    assert not sound.has_wrong_gradient and not sound.leaks and sound.is_shifted


def test_a_run_that_is_stopped_ends_the_clinic_with_its_code(tmp_path, monkeypatch):
    def request(self):
        self.requested = True
        return self

    monkeypatch.setattr("bench.training.clinic.StopRequest.__enter__", request)
    outcomes = list(run_clinic(CASES.values(), CORPUS, STEPS, 0, tmp_path))
    assert [outcome.status for outcome in outcomes] == ["interrupted"]
    assert read_table("runs", tmp_path)["status"].tolist() == ["interrupted"]


def test_the_table_of_a_terminal_names_what_was_found(treated, capsys):
    outcomes = [*treated[1].values(), Outcome(CASES["rate"], "interrupted", exit_code=130)]
    assert print_outcomes(outcomes) == 130
    printed = capsys.readouterr().out
    assert printed.count("NOT SHIFTED") == printed.count("LEAKS") == 1 and printed.count("WRONG") == 2
    assert "score: gradients wrong from h.1.attn.c_attn back to the input" in printed and "rate: interrupted" in printed


def test_cases_are_chosen_by_name():
    assert [case.name for case in chosen_cases(["mask"])] == ["mask"]
    assert len(chosen_cases(())) == len(CASES)
    with pytest.raises(ConfigError, match="unknown case 'masc'"):
        chosen_cases(["masc"])
