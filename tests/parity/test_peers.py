"""The peers compute what the reference computes: the same losses, gradients, updates and texts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bench.arms.registry import GENERATORS, JAX_ON_CPU, PEER_PRECISIONS, PEERS
from bench.arms.token_ways import TOKEN_WAYS
from bench.arms.variants import load, make_engine
from bench.measuring.device_kernels import peak_seconds
from bench.measuring.generation import PROMPT, generation_weights, make_tinygpt_generator, resolved_generator
from bench.measuring.token_products import TokenPass
from bench.peers.torch_cuda import TorchCudaEngine
from tests import ROOT
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import OptimizerState
from tinygpt.system.threads import available_cores

MODEL = ModelConfig(n_layers=2, d_model=24, n_heads=3, context_length=16)
TRAIN = TrainConfig(batch_size=4, learning_rate=1e-2)
TOKENS = np.random.default_rng(0).integers(0, 256, 4_000).astype(np.uint8)
# One peer for each class: the override and an environment change how kernels run, not what they are asked to do.
TRAINERS = [*{peer.trainer: peer.name for peer in reversed(PEERS.values()) if peer.trainer}.values()]
WRITERS = [*{peer.generator: peer.name for peer in reversed(PEERS.values()) if peer.generator}.values()]


def batches(count):
    sampler = BatchSampler(TOKENS, TRAIN.batch_size, MODEL.context_length, seed=1)
    return [sampler.batch(step) for step in range(count)]


def assert_close(ours, theirs, tolerance):
    assert set(ours) == set(theirs)
    for name, expected in theirs.items():
        assert np.abs(ours[name] - expected).max() <= tolerance * max(1e-3, np.abs(expected).max()), name


@pytest.mark.parametrize("name", TRAINERS)
def test_a_peer_trains_as_the_reference_does(name):
    peer, reference = (make_engine(variant, MODEL, TRAIN, seed=2) for variant in (name, "numpy"))
    first, *others = batches(6)
    assert np.abs(peer.logits(first.inputs) - reference.logits(first.inputs)).max() < 1e-4
    loss, gradients = peer.loss_and_gradients(first.inputs, first.targets)
    expected_loss, expected = reference.loss_and_gradients(first.inputs, first.targets)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert_close(gradients, expected, 1e-4)
    for batch in others:
        ours, theirs = (engine.train_step(batch.inputs, batch.targets) for engine in (peer, reference))
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-3)
    assert_close(peer.state_dict(), reference.state_dict(), 2e-3)
    assert peer.optimizer_state().step == len(others)


def test_the_peer_for_gpus_takes_the_reference_s_steps():
    peer = TorchCudaEngine(MODEL, TRAIN, device="cpu")
    reference = make_engine("numpy", MODEL, TRAIN, seed=2)
    zeros = {name: np.zeros_like(value) for name, value in reference.state_dict().items()}
    drawn = batches(3)
    inputs, targets = (np.stack([getattr(batch, name) for batch in drawn]) for name in ("inputs", "targets"))
    expected = [reference.train_step(batch.inputs, batch.targets, 2e-2).loss for batch in drawn]
    for _ in range(2):  # put back to the start, it repeats itself
        peer.load_state_dict(make_engine("numpy", MODEL, TRAIN, seed=2).state_dict())
        peer.load_optimizer_state(OptimizerState(0, zeros, zeros))
        found = peer.train_steps(inputs, targets, [2e-2] * 3)
        assert [result.loss for result in found] == pytest.approx(expected, rel=1e-4)
    assert_close(peer.state_dict(), reference.state_dict(), 2e-3)
    assert peer.optimizer_state().step == 3


@pytest.mark.parametrize("name", ["torch", "torch-step", "jax-textbook"])
def test_a_peer_continues_from_a_loaded_state(name):
    *before, last = batches(4)
    reference = make_engine("numpy", MODEL, TRAIN, seed=2)
    for batch in before:
        reference.train_step(batch.inputs, batch.targets)
    peer = make_engine(name, MODEL, TRAIN, seed=5)
    peer.load_state_dict(reference.state_dict())
    peer.load_optimizer_state(reference.optimizer_state())
    ours, theirs = (engine.train_step(last.inputs, last.targets, 3e-3) for engine in (peer, reference))
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-5)
    assert_close(peer.state_dict(), reference.state_dict(), 1e-4)
    moments = peer.optimizer_state()
    assert moments.step == len(before) + 1
    assert_close(moments.second_moment, reference.optimizer_state().second_moment, 1e-3)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("prompt", "n_tokens"), [(PROMPT, 60), (b"a prompt of 16 b", 60), (PROMPT, 16 + 9), (PROMPT, 5)]
)
def test_a_peer_writes_what_we_write_beyond_the_context(name, prompt, n_tokens):
    weights = generation_weights(MODEL, seed=4)
    tokens = np.frombuffer(prompt, np.uint8)
    expected = make_tinygpt_generator(MODEL, weights)(tokens, n_tokens)
    assert load(GENERATORS[name])(MODEL, weights)(tokens, n_tokens).tolist() == expected.tolist()


def test_the_engine_for_accelerators_writes_the_same_on_a_processor():
    weights, tokens = generation_weights(MODEL, seed=4), np.frombuffer(PROMPT, np.uint8)
    expected = make_tinygpt_generator(MODEL, weights)(tokens, 30)  # two windows
    assert load(GENERATORS[JAX_ON_CPU])(MODEL, weights)(tokens, 30).tolist() == expected.tolist()
    assert resolved_generator(JAX_ON_CPU).startswith("jax[device=cpu,version=")


def test_threads_that_are_bound_to_cores_are_as_many_as_others():
    code = (
        "from bench.arms.variants import make_engine\n"
        "from tinygpt.presets import PRESETS\n"
        "tiny = PRESETS['tiny']\n"
        "print(make_engine('torch-pinned', tiny.model, tiny.train, 0).options()['threads'])"
    )
    environment = os.environ | PEERS["torch-pinned"].environment
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert int(done.stdout) == available_cores()


def test_the_peer_s_muon_is_ours_and_its_state_comes_back():
    train = replace(TRAIN, optimizer="muon", betas=(0.9, 0.99))
    ours, theirs, again = (make_engine(name, MODEL, train, seed=2) for name in ("numpy", "torch", "torch"))
    *first, last = batches(4)
    for batch in first:
        expected, found = (engine.train_step(batch.inputs, batch.targets).loss for engine in (ours, theirs))
        assert found == pytest.approx(expected, rel=1e-5)
    assert_close(theirs.parameters(), ours.parameters(), 2e-3)
    again.load_state_dict(theirs.state_dict())
    again.load_optimizer_state(theirs.optimizer_state())
    assert again.train_step(last.inputs, last.targets).loss == theirs.train_step(last.inputs, last.targets).loss
    assert_close(again.parameters(), theirs.parameters(), 1e-6)


@pytest.mark.parametrize("precision", PEER_PRECISIONS)
def test_a_large_product_is_timed_in_every_arithmetic(precision):
    assert 0.0 < peak_seconds(precision, "cpu", size=32) < peak_seconds(precision, "cpu", size=512)


@pytest.mark.parametrize("way", TOKEN_WAYS.values(), ids=lambda way: way.name)
def test_a_token_s_products_are_right_in_every_way(way):
    token = TokenPass(ModelConfig(2, 48, 3, 8, vocab_size=300), way)
    for _ in range(2):
        token.run()
        assert token.largest_error() <= way.tolerance
