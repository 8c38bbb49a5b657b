from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.planning import calibration
from bench.planning.budget import Budget, BudgetRow, plan_budget
from bench.planning.calibration import calibrate
from bench.planning.forecast import CannotTell, Forecast, trained_runs
from bench.planning.memory import predicted_peak_bytes
from bench.records.process_rows import Process, RunContext
from bench.records.protocol import training_protocol
from bench.records.provenance import Provenance
from bench.records.rows import Rows
from bench.records.store import read_table, write_tables
from bench.terminal.show_cost import print_estimate
from bench.training.advice import loss_text
from tests.bench.rows import MACHINE, START, run_row, step_rows
from tinygpt.errors import ConfigError, ResultsError
from tinygpt.presets import LADDER
from tinygpt.system.memory import Memory

ROOMY = Memory(10**12, "plenty")
OTHER = json.dumps(json.loads(MACHINE) | {"cpu": "Another CPU", "cores": 64}, sort_keys=True)

SECONDS = {"tiny": 0.005, "small": 0.024, "medium": 0.07, "large": 0.21, "xl": 0.3}


def bench_rows(seconds: dict[str, float], machine: str = MACHINE, run_id: str = "run-a") -> Rows:
    runs = [run_row(run_id, "vectorized", preset, machine=machine) for preset in seconds]
    steps = [step for run in runs for step in step_rows(run, [seconds[run.preset]] * 6)]
    return Rows(runs, steps)


def held_out(tokens: float, preset: str = "small") -> float:
    return (1.4 if preset == "large" else 1.5) + 1.1 / (1 + (tokens / 1.8e6) ** 1.2)


def training_rows(preset: str, steps: int, run_id: str, learning_rate: float | None = None) -> Rows:
    """Rows of a run with a known curve of held-out loss, evaluated ten times; 20 ms per step, 90 % of the time."""
    entry = LADDER[preset]

    def loss_at(step: int) -> float:
        return held_out(step * entry.tokens_per_step, preset)

    settings = entry.train if learning_rate is None else type(entry.train)(entry.train.batch_size, learning_rate)
    protocol = training_protocol(preset, settings, "squares", "ab" * 32, 0, steps)
    run = RunContext(run_id, "train", Provenance(None, None), MACHINE)
    process = Process(run, "train", "vectorized", "vectorized", 0, protocol)
    rows = [
        replace(
            process.step_row(step, 0.02, loss_at(step) + 2.9 * math.exp(-step / 30), 1.0, 0.02 * step),
            held_out_loss=loss_at(step) if step % (steps // 10) == 0 else None,
        )
        for step in range(1, steps + 1)
    ]
    return Rows([process.run_row("ok", "invoke train", START, steps * 0.02 / 0.9, steps)], rows)


def results(root: Path, seconds: dict[str, float] = SECONDS, machine: str = MACHINE, trained: tuple[str, ...] = ()):
    write_tables(root, "run-a", bench_rows(seconds, machine))
    for number, preset in enumerate(trained):
        write_tables(root, f"train-{number}", training_rows(preset, 3000, f"train-{number}"))
    return read_table("runs", root), read_table("steps", root)


def budget(tables: tuple[Any, Any], presets: tuple[str, ...] = (), minutes: float = 15.0, **changes: Any) -> Budget:
    arguments = {"machine": MACHINE, "memory": ROOMY, "variant": "vectorized", "corpus": "squares"} | changes
    return plan_budget(*tables, minutes, presets=presets, **arguments)


def row(found: Budget, preset: str) -> BudgetRow:
    return next(row for row in found.rows if row.preset == preset)


def test_steps_and_tokens_follow_from_the_time_and_the_share_spent_in_steps(results_root):
    found = budget(results(results_root, trained=("small",)))
    assert found.step_share == pytest.approx(0.9)
    small = row(found, "small")
    assert abs(small.steps - 15 * 60 * 0.9 / 0.024) <= 1
    assert small.tokens == small.steps * LADDER["small"].tokens_per_step
    assert not small.projected and small.step.seconds == 0.024


def test_presets_that_were_not_measured_are_projected(results_root):
    found = budget(results(results_root))
    assert [one.preset for one in found.rows] == [*LADDER]
    assert [one.preset for one in found.rows if one.projected] == ["micro", "huge", "massive", "mega", "behemoth"]
    huge = row(found, "huge")
    assert huge.step.low < huge.step.seconds < huge.step.high
    assert found.model is not None and set(found.model.measured) == set(SECONDS)


def test_a_preset_s_own_curve_is_preferred_and_another_one_is_named(results_root):
    found = budget(results(results_root, trained=("small", "large")), minutes=3)
    small, medium = row(found, "small"), row(found, "medium")
    assert isinstance(small.loss, Forecast) and small.loss.source == "small"
    assert small.loss.loss == pytest.approx(held_out(small.tokens), abs=0.03)
    assert isinstance(medium.loss, Forecast) and medium.loss.source == "small"  # nearer in size than large
    assert medium.loss.spread > small.loss.spread
    assert " *" in loss_text(medium) and "*" not in loss_text(small)


def test_a_shape_of_ones_own_is_projected_between_the_ladder_s_and_its_loss_borrowed(results_root):
    found = budget(results(results_root, trained=("small", "large")), ("small[d_model=160, n_layers=4]", "small"), 3)
    shaped, small = found.rows
    assert shaped.preset == "small[n_layers=4,d_model=160]" and shaped.projected
    assert small.step.seconds < shaped.step.low < shaped.step.seconds < SECONDS["large"]
    assert isinstance(shaped.loss, Forecast) and shaped.loss.source == "large"  # nearer in size than small
    assert shaped.tokens == shaped.steps * 16 * 64 and shaped.peak_bytes > small.peak_bytes


def test_with_a_single_curve_nothing_is_said_of_other_presets(results_root):
    medium = row(budget(results(results_root, trained=("small",)), minutes=3), "medium")
    assert isinstance(medium.loss, CannotTell) and "no two presets were trained on one text" in medium.loss.reason
    assert "--preset medium --corpus squares" in medium.loss.command


def test_no_curve_no_loss(results_root):
    tiny = row(budget(results(results_root)), "tiny")
    assert isinstance(tiny.loss, CannotTell) and loss_text(tiny) == "cannot tell"


def test_a_run_with_another_learning_rate_or_text_is_another_curve(results_root):
    def told(corpus: str) -> bool:
        tables = read_table("runs", results_root), read_table("steps", results_root)
        return isinstance(row(budget(tables, minutes=1, corpus=corpus), "small").loss, Forecast)

    results(results_root)
    write_tables(results_root, "train-fast", training_rows("small", 1000, "train-fast", learning_rate=3e-3))
    assert not told("squares")
    write_tables(results_root, "train-own", training_rows("small", 1000, "train-own"))
    assert told("squares") and not told("shakespeare")


def test_of_a_preset_s_runs_the_longest_reaches_furthest(results_root):
    for number, steps in enumerate((1000, 3000, 2000)):
        write_tables(results_root, f"train-{number}", training_rows("small", steps, f"train-{number}"))
    found = trained_runs(read_table("runs", results_root), read_table("steps", results_root))
    assert [run.tokens[-1] / LADDER["small"].tokens_per_step for run in found] == [3000, 2000, 1000]
    small = row(budget(results(results_root), minutes=3), "small")
    assert isinstance(small.loss, Forecast) and small.loss.stretch == pytest.approx(small.steps / 3000)


def test_this_machine_s_own_rows_come_first(results_root):
    results(results_root, machine=OTHER)
    write_tables(results_root, "run-here", bench_rows({"tiny": 0.001, "small": 0.002}, run_id="run-here"))
    found = budget((read_table("runs", results_root), read_table("steps", results_root)))
    assert row(found, "tiny").step.seconds == 0.001


def test_presets_that_do_not_fit_are_marked(results_root, console):
    results(results_root)
    print_estimate(results_root, 15, None, "vectorized", "squares", console, MACHINE, Memory(10**9, "a little"))
    lines = {line.split()[0]: line for line in console.file.getvalue().splitlines() if line.strip()}
    assert lines["behemoth"].rstrip().endswith("!") and not lines["tiny"].rstrip().endswith("!")


def test_one_preset_is_described_in_sentences(results_root, console):
    results(results_root, trained=("small", "large"))
    print_estimate(results_root, 15, "huge", "vectorized", "squares", console, MACHINE, ROOMY)
    printed = console.file.getvalue()
    assert "15 minutes of vectorized on this machine, text squares, preset huge" in printed
    assert "projected" in printed and "from the run of large" in printed


@pytest.mark.parametrize("minutes", [0.0, -3.0, math.nan, math.inf, 525_601, 1e300])
def test_a_time_that_is_not_above_0_or_beyond_a_year_is_refused(results_root, minutes):
    with pytest.raises(ConfigError, match=r"minutes is .*525,600"):
        budget(results(results_root), minutes=minutes)


def test_missing_measurements_are_named(results_root):
    tables = results(results_root, {"tiny": 0.005})
    with pytest.raises(ResultsError, match="no benchmark of numpy is on record"):
        budget(tables, variant="numpy")
    with pytest.raises(ResultsError, match="too few presets to project huge"):
        budget(tables, ("huge",))
    assert [one.preset for one in budget(tables).rows] == ["tiny"]


def test_a_machine_without_measurements_takes_a_few_steps(results_root):
    other = results(results_root, machine=OTHER)
    for tables in (other, (other[0].head(0), other[1].head(0))):
        found = budget(tables, measure=lambda: {"tiny": 0.004, "small": 0.03})
        assert found.calibrated
        assert row(found, "tiny").step.seconds == 0.004 and not row(found, "tiny").projected
        assert row(found, "xl").projected
    known = budget(results(results_root / "own"), measure=lambda: pytest.fail("it has step times"))
    assert not known.calibrated


def test_calibration_takes_steps_at_presets_that_fit(monkeypatch):
    monkeypatch.setattr(calibration, "_SECONDS", 1e9)
    lines: list[str] = []
    small = LADDER["small"]
    memory = Memory(predicted_peak_bytes("numpy", small.model, small.train), "a test")
    seconds = calibrate("numpy", memory, lines.append)
    assert [*seconds] == ["micro", "tiny", "small"]
    assert 0 < seconds["tiny"] < seconds["small"]
    assert lines == ["timing a few steps of numpy, up to 15 s"]
