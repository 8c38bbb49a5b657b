"""Every estimator's promise, tested on the published rows; a miss of more than two standard errors fails."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from bench.arms.devices import of_processors
from bench.records.store import read_table
from bench.statistics import simulation
from bench.statistics.calibration import calibrate, facts, read_calibrations
from bench.statistics.cells import cell_summary
from bench.statistics.compare import KINDS
from bench.statistics.controls import Record
from bench.statistics.real_rounds import noise_of, real_rounds
from bench.statistics.simulation import SIMULATIONS, Check
from tests import ROOT
from tinygpt.errors import ResultsError


@pytest.fixture(scope="module")
def cells():
    runs, steps = (read_table(name, ROOT / "results") for name in ("runs", "steps"))
    return cell_summary(of_processors(runs[runs["origin"] == "published"]), steps, KINDS)


@pytest.fixture(scope="module")
def rows(cells):
    return real_rounds(cells), Record(cells, {})


# Some of the promises of the method, each by the simulation that must have checked it.
PROMISES = {
    "alarms_against": {("false alarms", "equal commits, 6 cells"): 0.05},
    "alarms_of_variants": {
        ("false alarms", "variants of one run, 10 equal and 10 faster"): 0.05,
        ("false alarms", "A/A arms on record"): 0.05,
    },
    "power_against": {("power", "5% slower, calm machine"): 0.8, ("power", "10% slower, noisy machine"): 0.8},
}


@pytest.mark.parametrize("simulate", SIMULATIONS, ids=lambda simulate: simulate.__name__)
def test_every_estimator_keeps_its_promise(rows, simulate, monkeypatch):
    monkeypatch.setattr(simulation, "N_SIMULATED", 600)  # what is tolerated grows with fewer; the task takes more
    checks = simulate(*rows)
    assert checks
    assert [check for check in checks if not check.holds] == []
    promised = {(check.aim, check.condition): check.promised for check in checks}
    assert promised.items() >= PROMISES.get(simulate.__name__, {}).items()


def test_the_random_numbers_are_the_same_every_time(rows, monkeypatch):
    monkeypatch.setattr(simulation, "N_SIMULATED", 50)
    assert simulation.coverage_of_rounds(*rows) == simulation.coverage_of_rounds(*rows)


def test_pairs_of_few_sessions_count_as_sessions(rows):
    (check,) = simulation.alarms_of_runs(*rows)
    assert check.condition == f"unchanged code on record, {len(rows[1].unchanged)} pairs from {check.n} sessions"
    assert check.n < len(rows[1].unchanged) / 5
    assert {found.freedom for found in rows[1].unchanged} == {check.n - 1}


def test_blocks_keep_neighbours_together():
    drawn = simulation._Draws().rounds([np.arange(6.0)], 600).reshape(-1, simulation.BLOCK)
    assert {*((drawn[:, 1] - drawn[:, 0]) % 6)} == {1.0}


def test_the_noise_is_that_of_rounds_and_not_of_steps(cells):
    noise = noise_of(cells)
    assert noise.n_arms > 90
    assert 0.05 < noise.between_rounds < 0.12
    assert noise.over_independent > 2  # steps of a round are not independent observations
    assert 0.1 < noise.neighbours < 0.5
    assert abs(noise.neighbouring_rounds) < 0.15  # simulations draw rounds in blocks of two
    assert 0.05 < noise.apart < 0.25


def test_a_promise_is_missed_beyond_the_error_of_the_simulation():
    assert Check("coverage", "", "", 0.95, 0.941, 2000).holds
    assert not Check("coverage", "", "", 0.95, 0.90, 2000).holds
    assert Check("false alarms", "", "", 0.05, 0.059, 2000).holds
    assert not Check("false alarms", "", "", 0.05, 0.085, 2000).holds
    assert Check("false alarms", "", "", 0.05, 0.0, 2000).tolerance == pytest.approx(0.0097, abs=1e-4)


def test_the_task_stores_what_it_found_beside_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "N_SIMULATED", 30)
    shutil.copytree(ROOT / "results" / "published", tmp_path / "published")
    (made,) = calibrate(tmp_path)
    assert read_calibrations(tmp_path) == [made]
    assert made.origin == "published"
    assert dict(facts(made))["unchanged code in two runs (standard deviation)"].endswith("%")
    path = tmp_path / "published" / "calibration.json"
    path.write_text("{")
    with pytest.raises(ResultsError, match="invoke results calibrate"):
        read_calibrations(tmp_path)


def test_the_published_file_is_of_published_rows(cells):
    (stored,) = (found for found in read_calibrations(ROOT / "results") if found.origin == "published")
    assert set(stored.run_ids) <= {cell.run_id for cell in cells}
    assert all(check.holds for check in stored.checks)


def test_too_few_rows_are_refused(results_root):
    with pytest.raises(ResultsError, match="too few rows"):
        calibrate(results_root)
