"""The playground's engines in Node: the same process and pipes as on a GPU, with the page's plain JavaScript."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from bench.arms.registry import ACCELERATOR_PEERS
from bench.arms.variants import load
from bench.peers.webgpu_engine import WebGpuEngine
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError, MissingDependencyError

MODEL = ModelConfig(n_layers=2, d_model=8, n_heads=2, context_length=6, vocab_size=301)
TRAIN = TrainConfig(batch_size=3)


@pytest.fixture(scope="module")
def engine():
    return WebGpuEngine.create(MODEL, TRAIN, seed=4, backend="js")


def test_it_agrees_with_numpy_through_the_pipes(engine):
    reference = create_engine("numpy", MODEL, TRAIN, seed=4)
    tokens = np.random.default_rng(0).integers(0, MODEL.vocab_size, (6, 3, 7))
    inputs, targets = tokens[..., :-1], tokens[..., 1:]
    assert np.abs(engine.logits(inputs[0]) - reference.logits(inputs[0])).max() < 1e-5
    (loss, gradients), (expected, theirs) = (e.loss_and_gradients(inputs[0], targets[0]) for e in (engine, reference))
    assert loss == pytest.approx(expected, abs=1e-6)
    assert all(np.abs(gradients[name] - theirs[name]).max() < 1e-6 for name in theirs)
    first = engine.train_steps(inputs[:3], targets[:3], [1e-3, 2e-3, 3e-3])
    state = engine.optimizer_state()
    assert state.step == 3
    again = WebGpuEngine.create(MODEL, TRAIN, weights=engine.state_dict(), backend="js")
    again.load_optimizer_state(state)
    rest = again.train_steps(inputs[3:], targets[3:])
    results = reference.train_steps(inputs[:3], targets[:3], [1e-3, 2e-3, 3e-3])
    results += reference.train_steps(inputs[3:], targets[3:])
    for ours, other in zip([*first, *rest], results, strict=True):
        assert ours.loss == pytest.approx(other.loss, abs=1e-5)
        assert ours.grad_norm == pytest.approx(other.grad_norm, rel=1e-4)
    weights = again.parameters()
    assert all(np.abs(weights[name] - own).max() < 1e-5 for name, own in reference.parameters().items())


def test_it_is_the_peer_of_the_table():
    assert load(str(ACCELERATOR_PEERS["webgpu"].trainer)) is WebGpuEngine


def test_what_it_cannot_do_is_said_in_one_line(engine, monkeypatch):
    with pytest.raises(ConfigError, match="precision 'tf32'"):
        WebGpuEngine(MODEL, TRAIN, precision="tf32", backend="js")
    (process,) = engine.process_ids()
    os.kill(process, signal.SIGKILL)
    with pytest.raises(ConfigError, match="engine 'webgpu' ended"):
        engine.parameters()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("TINYGPT_NODE", raising=False)
    with pytest.raises(MissingDependencyError, match="needs Node"):
        WebGpuEngine(MODEL, TRAIN, backend="js")
