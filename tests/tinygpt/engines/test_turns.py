"""A large model in engine ``compiled``: one gradient to which all workers add in turns, and activations made again."""

import time

import numpy as np
import pytest

pytest.importorskip("numba")

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.engines.compiled.job import NOTHING
from tinygpt.engines.compiled.memory import predicted_bytes
from tinygpt.engines.compiled.phases import CompiledPhases
from tinygpt.engines.vectorized.mailbox import LINE
from tinygpt.engines.vectorized.memory import attention_scores
from tinygpt.presets import LADDER, PRESETS

MODEL = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=12, vocab_size=300)


@pytest.fixture
def shared(monkeypatch):
    monkeypatch.setattr("tinygpt.engines.vectorized.layout._LARGE", 0)
    monkeypatch.setattr("tinygpt.score_blocks.MOST_SCORES", 7 * MODEL.vocab_size)


def batch(seed, rows):
    return np.random.default_rng(seed).integers(0, MODEL.vocab_size, (2, rows, MODEL.context_length))


@pytest.mark.parametrize(
    "train",
    [
        TrainConfig(5),
        TrainConfig(3, dropout=0.2),
        TrainConfig(4, accumulation=3),
        TrainConfig(3, optimizer="muon"),
        TrainConfig(4, train_only="h.1.mlp,wte"),
        TrainConfig(4, lora="rank=2,alpha=4,on=attn+mlp"),
    ],
    ids=["plain", "dropout", "accumulation", "muon", "layers", "lora"],
)
def test_a_shared_gradient_is_the_sum_of_the_workers_own(train, shared, many_cores):
    engine = create_engine("compiled[threads=3]", MODEL, train, seed=1)
    apart = create_engine("compiled[threads=3,team=processes]", MODEL, train, seed=1)
    assert len(engine.arena.gradients) == 1
    assert len(apart.arena.gradients) == 3
    for step in range(3):
        tokens = batch(step, train.rows_per_step)
        result, expected = engine.train_step(*tokens), apart.train_step(*tokens)
        assert (result.loss, result.grad_norm) == pytest.approx((expected.loss, expected.grad_norm), rel=1e-5)
    for rows in (1, 2, 7):  # fewer rows than workers, and workers with different numbers of rows
        loss, gradients = engine.loss_and_gradients(*batch(9, rows))
        weights, adapter = engine.parameters(), engine.adapter() or None
        plain = create_engine("numpy", MODEL, train, weights=weights, adapter=adapter)
        wanted, own = plain.loss_and_gradients(*batch(9, rows))
        assert loss == pytest.approx(wanted, rel=1e-5)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, own[name], atol=2e-5 * np.abs(own[name]).max(), err_msg=name)


def test_turns_give_the_same_bits_each_time(shared, many_cores):
    runs = []
    for _ in range(3):
        engine = create_engine("compiled[threads=3]", MODEL, TrainConfig(5), seed=1)
        runs.append([engine.train_step(*batch(step, 5)) for step in range(5)])
    assert runs[0] == runs[1] == runs[2]


def test_a_worker_that_fails_lets_the_others_go(shared, many_cores, monkeypatch):
    new_room = CompiledPhases._new_room

    def fails(phases, worker, rows, length):
        if worker == 1:
            raise MemoryError("no room")
        return new_room(phases, worker, rows, length)

    engine = create_engine("compiled[threads=3]", MODEL, TrainConfig(6), seed=1)
    monkeypatch.setattr(CompiledPhases, "_new_room", fails)
    with pytest.raises(MemoryError, match="no room"):
        engine.train_step(*batch(0, 6))
    monkeypatch.undo()
    assert np.isfinite(engine.train_step(*batch(0, 6)).loss)


def test_a_thread_that_starts_late_runs_no_phase_of_its_own(shared):
    engine = create_engine("compiled[threads=2]", MODEL, TrainConfig(4), seed=1)
    engine._mailbox.post(*batch(0, 4))
    team = engine._new_team()  # its thread begins while a batch is there, and nothing is ordered
    deadline = time.monotonic() + 20
    while team._counters[LINE] == 0 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert team._counters[LINE] == NOTHING
    assert not engine._mailbox.turns.any()


@pytest.mark.parametrize("threads", [1, 3])
def test_what_the_backward_computes_again_has_the_same_bits(threads, monkeypatch, many_cores):
    answers = []
    for large in (False, True):
        monkeypatch.setattr("tinygpt.engines.compiled.memory.is_large", lambda _numbers, large=large: large)
        engine = create_engine(f"compiled[threads={threads}]", MODEL, TrainConfig(5), seed=1)
        answers.append([engine.train_step(*batch(step, 5)) for step in range(3)])
        kept = engine._phases.room(0)[1]
        assert len(kept.weights) == len(kept.activated) == (1 if large else MODEL.n_layers)
    assert answers[0] == answers[1]


def test_large_models_share_a_gradient_and_keep_less_of_the_forward(monkeypatch):
    gpt2 = PRESETS["gpt2"]
    model, rows = gpt2.model, gpt2.train.batch_size
    apart, together = (predicted_bytes(model, gpt2.train, 2, team) for team in ("processes", "threads"))
    assert apart - together == 4 * model.n_parameters
    monkeypatch.setattr("tinygpt.engines.compiled.memory.is_large", lambda _numbers: False)
    kept = attention_scores(model, rows, model.context_length) + rows * model.context_length * model.d_hidden
    assert predicted_bytes(model, gpt2.train, 2) - together == 4 * (model.n_layers - 1) * kept


@pytest.mark.parametrize("preset", LADDER)
def test_no_preset_of_the_ladder_with_several_shards_is_large(preset):
    model, train = LADDER[preset].model, LADDER[preset].train
    assert predicted_bytes(model, train, 2) == predicted_bytes(model, train, 2, "processes")
