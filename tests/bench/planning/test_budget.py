from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.planning.budget import Budget, BudgetRow, loss_curves, plan_budget
from bench.planning.capacity import Memory
from bench.records.protocol import training_protocol
from bench.records.store import read_table, write_tables
from bench.terminal.show_cost import print_estimate
from bench.training.advice import loss_text
from tests.bench.rows import MACHINE, run_row, step_rows
from tinygpt.errors import ConfigError, ResultsError
from tinygpt.presets import PRESETS
from tinygpt.terminal.quantities import time_text, tokens_text

Row = dict[str, Any]
ROOMY = Memory(10**12, "plenty")
OTHER = json.dumps(json.loads(MACHINE) | {"cpu": "Another CPU", "cores": 64}, sort_keys=True)

SECONDS = {"tiny": 0.005, "small": 0.024, "medium": 0.07, "large": 0.21, "xl": 0.3}


def bench_rows(seconds: dict[str, float], machine: str = MACHINE, variant: str = "vectorized") -> tuple[Any, ...]:
    runs = [run_row("run-a", variant, preset, machine=machine) for preset in seconds]
    steps = [step for run in runs for step in step_rows(run, [seconds[run["preset"]]] * 6)]
    return runs, steps


def held_out(tokens: float) -> float:
    return 1.5 + 1.1 / (1 + (tokens / 1.8e6) ** 1.2)


def training_rows(preset: str, steps: int, run_id: str, learning_rate: float | None = None) -> tuple[Row, list[Row]]:
    """A recorded run whose held-out loss follows a known curve, evaluated ten times; 20 ms a step, 90 % of the time."""
    entry = PRESETS[preset]
    settings = entry.train if learning_rate is None else type(entry.train)(entry.train.batch_size, learning_rate)
    protocol = training_protocol(preset, settings, "squares", "ab" * 32, 0, steps)
    run = run_row(run_id, "vectorized", preset) | {
        "kind": "train", "suite": "train", "steps_done": steps, "measured_steps": steps,
        "wall_seconds": steps * 0.02 / 0.9, "protocol": protocol.canonical_json, "protocol_hash": protocol.hash,
        "cell_id": f"{run_id}/train",
    }  # fmt: skip
    rows = [
        {
            "run_id": run_id, "cell_id": run["cell_id"], "step": step, "is_warmup": False, "seconds": 0.02,
            "loss": 2.6 + 2.9 * math.exp(-step / 30), "grad_norm": 1.0, "elapsed_seconds": 0.02 * step,
            "held_out_loss": held_out(step * entry.tokens_per_step) if step % (steps // 10) == 0 else None,
        }
        for step in range(1, steps + 1)
    ]  # fmt: skip
    return run, rows


def results(root: Path, seconds: dict[str, float] = SECONDS, machine: str = MACHINE, trained: tuple[str, ...] = ()):
    runs, steps = bench_rows(seconds, machine)
    write_tables(root, "run-a", {"runs": runs, "steps": steps, "samples": []})
    for number, preset in enumerate(trained):
        run, rows = training_rows(preset, 3000, f"train-{number}")
        write_tables(root, f"train-{number}", {"runs": [run], "steps": rows, "samples": []})
    return read_table("runs", root), read_table("steps", root)


def budget(tables: tuple[Any, Any], presets: tuple[str, ...] = (), minutes: float = 15.0, **changes: Any) -> Budget:
    arguments = {"machine": MACHINE, "memory": ROOMY, "variant": "vectorized", "corpus": "squares"} | changes
    return plan_budget(*tables, minutes, presets=presets, **arguments)


def row(found: Budget, preset: str) -> BudgetRow:
    return next(row for row in found.rows if row.preset == preset)


def test_steps_and_tokens_follow_from_the_time_and_the_share_spent_in_steps(results_root):
    found = budget(results(results_root, trained=("small",)))
    assert found.here and found.step_share == pytest.approx(0.9)
    small = row(found, "small")
    assert abs(small.steps - 15 * 60 * 0.9 / 0.024) <= 1
    assert small.tokens == small.steps * PRESETS["small"].tokens_per_step
    assert not small.projected and small.step.seconds == 0.024


def test_presets_that_were_not_measured_are_projected(results_root):
    found = budget(results(results_root))
    assert [one.preset for one in found.rows] == [*PRESETS]
    assert [one.preset for one in found.rows if one.projected] == ["huge", "massive", "mega", "behemoth"]
    huge = row(found, "huge")
    assert huge.step.low < huge.step.seconds < huge.step.high
    assert found.model is not None and set(found.model.measured) == set(SECONDS)


def test_an_own_curve_is_preferred_and_a_borrowed_one_named(results_root):
    found = budget(results(results_root, trained=("small", "large")), minutes=3)
    small, medium = row(found, "small"), row(found, "medium")
    assert small.loss and small.curve_of == "small" and small.loss_error_known
    assert small.loss.loss == pytest.approx(held_out(small.tokens), abs=0.03)
    assert medium.loss and medium.curve_of == "small"  # nearer in size than large, in the logarithm
    assert medium.loss_error_known and loss_text(medium).endswith(" *")
    assert not loss_text(small).endswith("*")


def test_with_a_single_curve_nobody_knows_how_far_it_carries(results_root):
    found = budget(results(results_root, trained=("small",)), minutes=3)
    medium = row(found, "medium")
    assert medium.loss and not medium.loss_error_known
    assert "± ?" in loss_text(medium)


def test_no_curve_no_loss(results_root):
    tiny = row(budget(results(results_root)), "tiny")
    assert tiny.loss is None and tiny.curve_of is None and loss_text(tiny) == "–"


def test_a_run_with_another_learning_rate_or_text_is_another_curve(results_root):
    run, rows = training_rows("small", 1000, "train-fast", learning_rate=3e-3)
    write_tables(results_root, "train-fast", {"runs": [run], "steps": rows, "samples": []})
    tables = read_table("runs", results_root), read_table("steps", results_root)
    assert loss_curves(*tables, "squares") == {}
    run, rows = training_rows("small", 1000, "train-own")
    write_tables(results_root, "train-own", {"runs": [run], "steps": rows, "samples": []})
    tables = read_table("runs", results_root), read_table("steps", results_root)
    assert set(loss_curves(*tables, "squares")) == {"small"}
    assert loss_curves(*tables, "shakespeare") == {}


def test_the_longest_run_of_a_preset_speaks_for_it(results_root):
    for number, steps in enumerate((1000, 3000, 2000)):
        run, rows = training_rows("small", steps, f"train-{number}")
        write_tables(results_root, f"train-{number}", {"runs": [run], "steps": rows, "samples": []})
    tables = read_table("runs", results_root), read_table("steps", results_root)
    assert loss_curves(*tables, "squares")["small"].last_tokens == 3000 * PRESETS["small"].tokens_per_step


def test_another_machine_s_times_are_used_only_with_a_word_about_it(results_root, console):
    tables = results(results_root, machine=OTHER)
    assert not budget(tables).here
    print_estimate(results_root, 15, None, "vectorized", "squares", console, MACHINE, ROOMY)
    printed = console.file.getvalue()
    assert "on another machine" in printed
    assert "Another CPU, 64 cores" in printed and "invoke bench --suite quick" in printed


def test_this_machine_s_own_rows_come_first(results_root):
    few = {"tiny": 0.001, "small": 0.002}
    runs, steps = bench_rows(few)
    runs = [run | {"run_id": "run-mine", "cell_id": run["cell_id"] + "m"} for run in runs]
    steps = [step | {"run_id": "run-mine", "cell_id": step["cell_id"] + "m"} for step in steps]
    results(results_root, machine=OTHER)
    write_tables(results_root, "run-mine", {"runs": runs, "steps": steps, "samples": []})
    found = budget((read_table("runs", results_root), read_table("steps", results_root)))
    assert found.here and row(found, "tiny").step.seconds == 0.001


def test_what_does_not_fit_is_marked(results_root, console):
    results(results_root)
    print_estimate(results_root, 15, None, "vectorized", "squares", console, MACHINE, Memory(10**9, "a little"))
    lines = {line.split()[0]: line for line in console.file.getvalue().splitlines() if line.strip()}
    assert lines["behemoth"].rstrip().endswith("!") and not lines["tiny"].rstrip().endswith("!")


def test_one_preset_is_told_in_sentences(results_root, console):
    results(results_root, trained=("small",))
    print_estimate(results_root, 15, "huge", "vectorized", "squares", console, MACHINE, ROOMY)
    printed = console.file.getvalue()
    assert "15 minutes of vectorized on this machine, text squares, preset huge" in printed
    assert "projected" in printed and "by the run of small, nearest in size" in printed


@pytest.mark.parametrize("minutes", [0.0, -3.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(results_root, minutes):
    with pytest.raises(ConfigError, match="minutes is"):
        budget(results(results_root), minutes=minutes)


def test_what_was_not_measured_is_said(results_root):
    tables = results(results_root, {"tiny": 0.005})
    with pytest.raises(ResultsError, match="no benchmark of numpy is on record"):
        budget(tables, variant="numpy")
    with pytest.raises(ResultsError, match="too few presets to project huge"):
        budget(tables, ("huge",))
    assert [one.preset for one in budget(tables).rows] == ["tiny"]


def test_how_quantities_are_written():
    assert [time_text(seconds) for seconds in (0.0131, 2.5, 119, 606, 22_300)] == [
        "13.1 ms", "2.5 s", "119 s", "10.1 min", "6.19 h",
    ]  # fmt: skip
    assert [tokens_text(count) for count in (940, 38_400, 1_520_000, 2.1e9)] == ["940", "38.4 k", "1.52 M", "2.1 G"]
