"""Settings beyond a constant rate: schedules, dropout, accumulation; each exact and repeatable."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.corpora import Corpus
from tinygpt.dropout import MaskDraw, mask_key
from tinygpt.engines import create_engine
from tinygpt.engines.vectorized.arena import Arena
from tinygpt.engines.vectorized.calibration import choose_kernels
from tinygpt.engines.vectorized.mailbox import private_zeros
from tinygpt.engines.vectorized.memory import shard_numbers
from tinygpt.engines.vectorized.shard import Shard, layer_projections
from tinygpt.errors import ConfigError
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.presets import LADDER, PRESETS
from tinygpt.recipes import RECIPES, preset_learning_rate
from tinygpt.schedule import falls, learning_rate_at, optimizer_text
from tinygpt.training.events import SampleRecord, StopRecord
from tinygpt.training.plan import TrainingPlan
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

MODEL = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=12)
TRAIN = TrainConfig(batch_size=4, learning_rate=1e-3)


def batch(rows: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (rows, 12)), rng.integers(0, 256, (rows, 12))


# ---- the rate ------------------------------------------------------------------------------------------------


def test_a_constant_rate_is_the_default() -> None:
    assert {learning_rate_at(TrainConfig(8), step) for step in (0, 1, 10_000)} == {3e-4}
    assert optimizer_text(TrainConfig(8)) == "AdamW"


def test_the_rate_warms_up_and_follows_a_cosine_down() -> None:
    train = TrainConfig(8, learning_rate=1.0, warmup_steps=4, decay_steps=104, decay_to=0.1)
    rates = [learning_rate_at(train, step) for step in range(120)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates[4] == 1.0
    assert rates[54] == pytest.approx(0.55)  # half-way, the mean of both ends
    assert rates[104:] == pytest.approx([0.1] * 16)
    assert all(a >= b for a, b in pairwise(rates[4:]))


def test_a_rate_can_stay_before_it_falls_to_nothing() -> None:
    train = TrainConfig(8, 1.0, warmup_steps=4, decay_steps=104, decay_to=0.0, decay_shape="linear", decay_from=0.5)
    rates = [learning_rate_at(train, step) for step in range(110)]
    assert set(rates[4:55]) == {1.0}
    assert rates[79] == pytest.approx(0.5) and rates[104:] == pytest.approx([0.0] * 6)
    assert optimizer_text(train, minutes=5).endswith("linear from 0.5 of the way to 0 of the rate after 5 minutes")
    assert falls(optimizer_text(train)) and falls(optimizer_text(train, 5)) and not falls(optimizer_text(TRAIN))


def test_a_recipe_is_described_in_words() -> None:
    train = TrainConfig(8, warmup_steps=4, decay_steps=9, dropout=0.1, accumulation=2)
    assert optimizer_text(train) == (
        "AdamW; rate warmed up over 4 updates; cosine to 0.1 of the rate at update 9; "
        "dropout 0.1 on embeddings and residual branches; 2 batches accumulated"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"accumulation": 0},
        {"warmup_steps": -1},
        {"decay_to": math.nan},
        {"decay_from": 1.0},
    ],
)
def test_settings_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is"):
        replace(TRAIN, **wrong)  # type: ignore[arg-type]


# ---- masks ---------------------------------------------------------------------------------------------------


def masks(rate: float = 0.25, step: int = 3, first_row: int = 0, rows: int = 4, seed: int = 7) -> np.ndarray:
    drawn = np.empty((5, rows, 12, 16), np.float32)
    MaskDraw(rate, mask_key(seed), step).fill(drawn, first_row)
    return drawn


def test_masks_drop_their_share_and_keep_the_mean() -> None:
    drawn = masks(rows=64)
    assert set(np.unique(drawn)) == {np.float32(0.0), np.float32(1 / 0.75)}
    assert (drawn == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert drawn.mean() == pytest.approx(1.0, abs=0.01)
    halves = drawn.reshape(5, -1)
    agreement = [(a == b).mean() for a, b in pairwise(halves)]
    assert agreement == pytest.approx([0.75**2 + 0.25**2] * 4, abs=0.02), "sites are independent of each other"


def test_masks_depend_on_seed_update_and_row_alone() -> None:
    whole = masks()
    np.testing.assert_array_equal(whole, masks())
    np.testing.assert_array_equal(whole[:, 2:], masks(first_row=2, rows=2))
    for other in (masks(step=4), masks(seed=8), masks(first_row=1)):
        assert (whole != other).any()


# ---- engines -------------------------------------------------------------------------------------------------


def test_dropouts_gradient_is_that_of_the_loss() -> None:
    train = replace(TRAIN, dropout=0.3)
    engine = create_engine("numpy", MODEL, train, seed=1)
    engine.weights = {name: value.astype(np.float64) for name, value in engine.weights.items()}  # type: ignore[attr-defined]
    inputs, targets = batch()
    drawn = engine._masks(MaskDraw(0.3, mask_key(1), 0), slice(0, 4), 12)  # type: ignore[attr-defined]
    _, gradients = engine._pass(inputs, targets, drawn)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for name, value in engine.weights.items():  # type: ignore[attr-defined]
        direction = rng.standard_normal(value.shape)
        losses = []
        for sign in (1, -1):
            engine.weights[name] = value + sign * 1e-5 * direction  # type: ignore[attr-defined]
            losses.append(engine._pass(inputs, targets, drawn)[0])  # type: ignore[attr-defined]
        engine.weights[name] = value  # type: ignore[attr-defined]
        slope = (losses[0] - losses[1]) / 2e-5
        assert slope == pytest.approx(float((gradients[name] * direction).sum()), rel=1e-5, abs=1e-8), name


@pytest.mark.parametrize("train", [
    replace(TRAIN, dropout=0.2),
    replace(TRAIN, accumulation=3),
    replace(TRAIN, accumulation=2, dropout=0.1),
])  # fmt: skip
@pytest.mark.parametrize(
    "variant", ["vectorized[threads=1]", "vectorized[team=threads,threads=2]", "compiled[threads=2]"]
)
def test_the_fast_engine_repeats_the_reference(train: TrainConfig, variant: str) -> None:
    reference, fast = (create_engine(name, MODEL, train, seed=5) for name in ("numpy", variant))
    for step in range(4):
        inputs, targets = batch(train.rows_per_step, step)
        expected, found = reference.train_step(inputs, targets), fast.train_step(inputs, targets)
        assert found.loss == pytest.approx(expected.loss, rel=2e-6)
        assert found.grad_norm == pytest.approx(expected.grad_norm, rel=1e-4)
    for name, value in reference.parameters().items():
        np.testing.assert_allclose(fast.parameters()[name], value, atol=3e-5)


@pytest.mark.parametrize("engine", ["numpy", "vectorized[threads=1]", "compiled[threads=2]"])
def test_accumulating_batches_is_one_large_batch(engine: str) -> None:
    inputs, targets = batch(8)
    parts = create_engine(engine, MODEL, replace(TRAIN, accumulation=2), seed=2)
    whole = create_engine(engine, MODEL, replace(TRAIN, batch_size=8), seed=2)
    for _ in range(3):
        a, b = parts.train_step(inputs, targets), whole.train_step(inputs, targets)
        assert (a.loss, a.grad_norm) == pytest.approx((b.loss, b.grad_norm), rel=1e-5)
    for name, value in whole.parameters().items():
        np.testing.assert_allclose(parts.parameters()[name], value, atol=1e-5)


@pytest.mark.parametrize("name", ["vectorized", "compiled"])
def test_workers_share_the_same_masks_to_the_bit(name: str) -> None:
    train = replace(TRAIN, dropout=0.5)
    engines = [create_engine(f"{name}[threads={n},team=threads]", MODEL, train, seed=5) for n in (1, 2)]
    losses = [[engine.train_step(*batch(4, step)).loss for step in range(3)] for engine in engines]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


@pytest.mark.parametrize("name", ["vectorized", "compiled"])
def test_processes_see_the_masks_too(name: str) -> None:
    train = replace(TRAIN, dropout=0.5, accumulation=2)
    variants = [f"{name}[threads=2,team={team}]" for team in ("threads", "processes")]
    engines = [create_engine(variant, MODEL, train, seed=5) for variant in variants]
    losses = [[engine.train_step(*batch(8, step)).loss for step in range(3)] for engine in engines]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("variant", ["vectorized[threads=1]", "compiled[threads=1]"])
def test_a_resumed_engine_draws_the_masks_of_the_update_it_is_at(variant: str) -> None:
    train = replace(TRAIN, dropout=0.3)
    whole = create_engine(variant, MODEL, train, seed=5)
    losses = [whole.train_step(*batch(4, step)).loss for step in range(2)]
    again = create_engine(variant, MODEL, train, seed=5)
    again.load_state_dict(whole.state_dict())
    again.load_optimizer_state(whole.optimizer_state())
    assert [again.train_step(*batch(4, step)).loss for step in (2, 3)] == [
        whole.train_step(*batch(4, step)).loss for step in (2, 3)
    ]
    assert len(set(losses)) == 2


def test_dropout_acts_in_training_alone() -> None:
    inputs, targets = batch()
    plain, dropping = (create_engine("vectorized[threads=1]", MODEL, replace(TRAIN, dropout=p), 3) for p in (0.0, 0.5))
    assert plain.loss(inputs, targets) == dropping.loss(inputs, targets)
    assert plain.loss_and_gradients(inputs, targets)[0] == dropping.loss_and_gradients(inputs, targets)[0]
    assert plain.train_step(inputs, targets).loss != dropping.train_step(inputs, targets).loss


def test_an_engine_without_dropout_refuses_it() -> None:
    with pytest.raises(ConfigError, match="engine 'python' has none"):
        create_engine("python", MODEL, replace(TRAIN, dropout=0.1))


def test_the_predicted_workspace_counts_the_masks() -> None:
    arena = Arena(MODEL, 1, private_zeros)
    projections = layer_projections(MODEL, arena, None)
    shard = Shard(MODEL, arena, projections, 4, 12, choose_kernels("numpy"), 0, dropout=True)
    plain = Shard(MODEL, arena, projections, 4, 12, choose_kernels("numpy"), 0)
    grown = shard_numbers(MODEL, 4, 12, dropout=True) - shard_numbers(MODEL, 4, 12)
    assert shard.slab.size - plain.slab.size == grown == (2 * 2 + 1 + 1) * 4 * 12 * 16


# ---- plans and sessions --------------------------------------------------------------------------------------

SENTENCES = "The fox saw a hen. The hen saw the fox. Off she went, over the wall and home again.\n"
CORPUS = Corpus("fables", (SENTENCES * 40).encode(), (SENTENCES[::-1] * 10).encode(), "public domain", "written here")


def plan(out: Path, **changes: object) -> TrainingPlan:
    sampling = SamplingSettings(8, temperature=0.8)
    base = TrainingPlan(out, preset="tiny", corpus="fables", engine="numpy", steps=6, eval_batches=1, sampling=sampling)
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_plan_without_a_recipe_has_the_presets_own_settings(tmp_path: Path) -> None:
    for name, preset in PRESETS.items():
        assert plan(tmp_path, preset=name).train_config(preset.train) == preset.train
        assert RECIPES["constant"].apply(preset.train, preset.model, 1000) == preset.train
    assert plan(tmp_path).options_text() == ""


def test_a_recipe_and_single_settings_over_it(tmp_path: Path) -> None:
    preset = PRESETS["medium"]
    wanted = plan(tmp_path, preset="medium", recipe="cosine", steps=1000, dropout=0.1, accumulation=2, warmup_steps=7)
    train = wanted.train_config(preset.train)
    assert train == TrainConfig(
        16, 3.9e-3, (0.9, 0.99), accumulation=2, warmup_steps=7, decay_steps=1000, decay_to=0.1, dropout=0.1
    )
    assert wanted.options_text() == "--recipe cosine --accumulate 2 --warmup 7 --dropout 0.1"
    assert replace(wanted, schedule="constant").train_config(preset.train).decay_steps == 0
    stable = replace(wanted, schedule="stable").train_config(preset.train)
    assert (stable.decay_shape, stable.decay_from, stable.decay_to, stable.decay_steps) == ("linear", 0.5, 0.0, 1000)
    nanogpt = plan(tmp_path, preset="nanogpt", recipe="nanogpt", steps=2000).train_config(PRESETS["nanogpt"].train)
    assert nanogpt == TrainConfig(12, 1e-3, (0.9, 0.99), warmup_steps=100, decay_steps=2000)
    for wrong, message in (({"recipe": "cosin"}, "did you mean 'cosine'"), ({"schedule": "step"}, "schedule 'step'")):
        with pytest.raises(ConfigError, match=message):
            plan(tmp_path, **wrong)


def test_a_wider_model_gets_a_lower_rate() -> None:
    rates = [preset_learning_rate(preset.model) for preset in LADDER.values()]
    assert rates == sorted(rates, reverse=True)
    assert [preset_learning_rate(PRESETS[name].model) for name in ("medium", "tiny")] == [3.9e-3, 1e-2]


def test_a_session_follows_the_recipe_and_resumes_it_to_the_bit(tmp_path: Path) -> None:
    settings = {"recipe": "cosine", "dropout": 0.2, "accumulation": 2, "batch_size": 4, "warmup_steps": 2}
    whole = [e for e in run_session(plan(tmp_path / "a", **settings), CORPUS) if isinstance(e, StepRecord)]
    assert {event.tokens for event in whole} == {2 * 4 * 32}
    train = load_checkpoint(tmp_path / "a").train
    assert [event.learning_rate for event in whole] == [learning_rate_at(train, step) for step in range(6)]
    session = run_session(plan(tmp_path / "b", **settings), CORPUS)
    first = []
    for event in session:
        if isinstance(event, StepRecord):
            first.append(event)
            if event.step == 3:
                session.close()
                break
    # The command that a stopped run prints names neither recipe nor dropout: the checkpoint has them.
    rest = [e for e in run_session(plan(tmp_path / "b"), CORPUS, resume=True) if isinstance(e, StepRecord)]
    assert [event.loss for event in first + rest] == [event.loss for event in whole]


def test_a_run_that_no_longer_improves_stops_early(tmp_path: Path) -> None:
    stalled = plan(tmp_path / "run", steps=20, learning_rate=1e-30, eval_every=2, patience=3)
    events = list(run_session(stalled, CORPUS))
    stop = events[-1]
    assert isinstance(stop, StopRecord)
    assert (stop.reason, stop.exit_code, stop.step) == ("stopped early", 0, 8)  # the best was at step 2
    assert load_checkpoint(tmp_path / "run").training.step == 8  # type: ignore[union-attr]


def test_early_samples_are_about_evenly_spread_over_a_log_axis(tmp_path: Path) -> None:
    long = plan(tmp_path / "long", steps=20_000, sample_every=10_000, early_samples=True)
    found = [step for step in range(1, 20_000) if long.samples_after(step)]
    assert found == [1, 10, 30, 100, 300, 1000, 3000, 10_000]
    events = run_session(plan(tmp_path / "run", steps=10, sample_every=10, early_samples=True), CORPUS)
    assert [event.step for event in events if isinstance(event, SampleRecord)] == [1, 10]
