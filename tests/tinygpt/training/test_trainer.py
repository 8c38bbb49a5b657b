"""The loop: the right batches in the right order, correct records, and a stop when numbers are not finite."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.engines.base import Engine, StepResult
from tinygpt.errors import DivergedError
from tinygpt.training.trainer import Trainer

MODEL = ModelConfig(n_layers=1, d_model=8, n_heads=2, context_length=6)
SAMPLER = BatchSampler(np.frombuffer(bytes(range(200)), np.uint8), batch_size=3, context_length=6, seed=2)


class ScriptedEngine(Engine):
    """Returns given results and records its inputs and rates."""

    train = TrainConfig(batch_size=3, learning_rate=0.02)
    loss_and_gradients = logits = parameters = optimizer_state = load_optimizer_state = _replace_parameters = None

    def __init__(self, *results: StepResult) -> None:
        self.results = list(results)
        self.inputs: list[np.ndarray] = []
        self.rates: list[float | None] = []

    def train_step(self, inputs: np.ndarray, targets: np.ndarray, learning_rate: float | None = None) -> StepResult:
        np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
        self.inputs.append(inputs)
        self.rates.append(learning_rate)
        return self.results.pop(0)


def trainer(engine: ScriptedEngine, schedule: object = None) -> Trainer:
    return Trainer(engine, SAMPLER, schedule)  # type: ignore[arg-type]


def test_records_describe_the_steps() -> None:
    engine = ScriptedEngine(StepResult(3.0, 1.5), StepResult(2.0, 0.5))
    records = list(trainer(engine).run(0, 2))
    assert [(r.step, r.loss, r.grad_norm, r.learning_rate, r.tokens) for r in records] == [
        (1, 3.0, 1.5, 0.02, 18),
        (2, 2.0, 0.5, 0.02, 18),
    ]
    assert all(record.seconds > 0 for record in records)
    with pytest.raises(FrozenInstanceError):
        records[0].loss = 0.0  # type: ignore[misc]


def test_step_k_reads_batch_k_wherever_the_run_starts() -> None:
    engine = ScriptedEngine(*[StepResult(1.0, 1.0)] * 3)
    assert [record.step for record in trainer(engine).run(5, 3)] == [6, 7, 8]
    for step, inputs in zip((5, 6, 7), engine.inputs, strict=True):
        np.testing.assert_array_equal(inputs, SAMPLER.batch(step).inputs)


def test_a_schedule_sets_the_rate_of_each_step() -> None:
    engine = ScriptedEngine(*[StepResult(1.0, 1.0)] * 3)
    records = list(trainer(engine, lambda step: 0.1 / (step + 1)).run(1, 3))
    assert engine.rates == [0.1 / 2, 0.1 / 3, 0.1 / 4] == [record.learning_rate for record in records]


def test_steps_are_taken_on_demand() -> None:
    engine = ScriptedEngine(*[StepResult(1.0, 1.0)] * 3)
    records = trainer(engine).run(0, 3)
    next(records)
    assert len(engine.inputs) == 1


@pytest.mark.parametrize("result", [StepResult(math.nan, 1.0), StepResult(math.inf, 1.0), StepResult(1.0, math.nan)])
def test_a_number_that_is_not_finite_stops_the_run(result: StepResult) -> None:
    engine = ScriptedEngine(StepResult(1.0, 1.0), result, StepResult(1.0, 1.0))
    records = trainer(engine).run(10, 3)
    assert next(records).step == 11
    with pytest.raises(DivergedError, match=r"at step 12: loss .*learning rate 0\.02, gradient norm"):
        next(records)
    assert len(engine.inputs) == 2


def test_a_real_run_with_an_absurd_rate_diverges_without_a_warning() -> None:
    engine = create_engine("numpy", MODEL, TrainConfig(batch_size=3, learning_rate=1e30), seed=0)
    with pytest.raises(DivergedError):
        list(Trainer(engine, SAMPLER).run(0, 10))


def test_a_real_run_learns() -> None:
    engine = create_engine("numpy", MODEL, TrainConfig(batch_size=3, learning_rate=1e-2), seed=0)
    losses = [record.loss for record in Trainer(engine, SAMPLER).run(0, 60)]
    assert losses[0] == pytest.approx(math.log(256), abs=0.1)
    assert np.mean(losses[-5:]) < losses[0] - 1.0


def test_steps_are_taken_together_up_to_a_pause() -> None:
    class Together(ScriptedEngine):
        steps_per_dispatch = 3

    results = [StepResult(3.0 - step / 10, 1.0) for step in range(8)]
    one, many = ScriptedEngine(*results), Together(*results)
    runner = Trainer(many, SAMPLER, pauses_after=lambda step: step == 5)  # type: ignore[arg-type]
    taken, records = [], []
    for record in runner.run(0, 8):
        taken.append(runner.taken)
        records.append(record)
    # Three at once; one by one where a pause or the end lies inside; the weights are ahead of the records in between.
    assert taken == [3, 3, 3, 4, 5, 8, 8, 8]
    expected = list(trainer(one).run(0, 8))
    assert [(r.step, r.loss, r.learning_rate, r.tokens) for r in records] == [
        (r.step, r.loss, r.learning_rate, r.tokens) for r in expected
    ]
    for ours, theirs in zip(many.inputs, one.inputs, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_part_of_a_batch_is_rows_of_the_whole() -> None:
    whole, part = SAMPLER.batch(4), SAMPLER.batch(4, slice(1, 3))
    np.testing.assert_array_equal(part.inputs, whole.inputs[1:3])
    np.testing.assert_array_equal(part.targets, whole.targets[1:3])
