"""Results folders of any size: bench runs of three arms and two rounds, every fourth a training run, two machines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from bench.records.process_rows import Process, RunContext
from bench.records.protocol import training_protocol
from bench.records.provenance import Provenance
from bench.records.rows import Rows, RunRow, StepRow
from bench.records.store import write_tables
from tests.bench.rows import MACHINE, START, process, run_row
from tinygpt.presets import PRESETS

MACHINES = (MACHINE, MACHINE.replace("Some CPU", "Other CPU"))
PRESET_NAMES = tuple(PRESETS)[:5]
VARIANTS = {"numpy": 1.0, "vectorized": 0.5, "vectorized[threads=1]": 0.7}  # and their share of numpy's time
ROUNDS, STEPS, TRAINING_STEPS = 2, 18, 300


def write_many(root: Path, n_runs: int) -> Path:
    """Write so many runs, a minute apart, into ``local``; returns the results folder."""
    for number in range(n_runs):
        rows = (_trained if number % 4 == 3 else _measured)(number)
        write_tables(root, rows.runs[0].run_id, rows)
    return root


def _name(number: int) -> str:
    return f"{START + timedelta(minutes=number):%Y%m%dT%H%M%SZ}-{number % 3 // 2:08x}-{number % 65536:04x}"


def _steps(cell: Process, seconds: np.ndarray, losses: np.ndarray) -> list[StepRow]:
    elapsed = np.cumsum(seconds)
    columns = (range(1, len(seconds) + 1), seconds.tolist(), losses.tolist(), elapsed.tolist())
    return [cell.step_row(step, time, loss, 1.0, end) for step, time, loss, end in zip(*columns, strict=True)]


def _measured(number: int) -> Rows:
    random, preset = np.random.default_rng(number), PRESET_NAMES[number % len(PRESET_NAMES)]
    runs: list[RunRow] = []
    steps: list[StepRow] = []
    for variant, share in VARIANTS.items():
        for round_number in range(ROUNDS):
            shape = _name(number), variant, preset, round_number, ROUNDS, MACHINES[number % 3 // 2]
            runs.append(run_row(*shape, started_at=START + timedelta(minutes=number, seconds=len(runs))))
            seconds = share * PRESETS[preset].model.n_parameters / 1e7 * random.uniform(0.9, 1.1, STEPS)
            steps += _steps(process(*shape), seconds, np.linspace(5.5, 5.0, STEPS))
    return Rows(runs, steps)


def _trained(number: int) -> Rows:
    random, preset = np.random.default_rng(number), PRESET_NAMES[number % 2]
    protocol = training_protocol(preset, PRESETS[preset].train, "squares", "ab" * 32, 0, TRAINING_STEPS)
    run = RunContext(_name(number), "train", Provenance("c" * 40, False), MACHINES[number % 3 // 2])
    cell = Process(run, "train", "vectorized", "vectorized", 0, protocol)
    losses = 1.5 + 4.0 * np.exp(-np.arange(TRAINING_STEPS) / 80) + 0.05 * random.standard_normal(TRAINING_STEPS)
    started = START + timedelta(minutes=number)
    row = cell.run_row("ok", f"invoke train --preset {preset} --record", started, 5.0, TRAINING_STEPS)
    row = replace(row, exit_code=0, first_loss=5.5, last_loss=1.6, held_out_loss=1.7, threads=2)
    steps = _steps(cell, random.uniform(0.01, 0.02, TRAINING_STEPS), losses)
    every = TRAINING_STEPS // 6
    steps = [replace(s, held_out_loss=s.loss + 0.1) if s.step % every == 0 else s for s in steps]
    return Rows([row], steps)
