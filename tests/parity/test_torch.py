"""Live parity: the engines against PyTorch's GPT-2 on a preset, in the same process."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.parity.oracle import Oracle
from tests.reference import N_STEPS, REFERENCE_FILE, REFERENCE_MODEL, REFERENCE_TRAIN, reference_batches
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import create_engine
from tinygpt.engines.vectorized.forms import FORMS
from tinygpt.params import initial_parameters
from tinygpt.presets import PRESETS


@pytest.mark.parametrize("preset_name", ["tiny", "small"])
@pytest.mark.parametrize(
    "variant",
    [
        "numpy",
        *(f"vectorized[kernels={form}]" for form in FORMS),
        "compiled[team=threads]",
        "compiled[team=processes]",
    ],
)
def test_engine_follows_pytorch_on_a_preset(variant, preset_name):
    preset = PRESETS[preset_name]
    batches, (logits, (expected_loss, expected), steps) = preset_batches(preset), preset_answers(preset)
    engine = create_engine(variant, preset.model, preset.train, seed=2)
    assert np.abs(engine.logits(batches[0].inputs) - logits).max() < 1e-4
    loss, gradients = engine.loss_and_gradients(batches[0].inputs, batches[0].targets)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for name, gradient in gradients.items():
        scale = np.abs(expected[name]).max()
        assert np.abs(gradient - expected[name]).max() < 1e-4 * scale, name
    for batch, (step_loss, step_norm) in zip(batches, steps, strict=True):
        result = engine.train_step(batch.inputs, batch.targets)
        assert result.loss == pytest.approx(step_loss, rel=1e-4)
        assert result.grad_norm == pytest.approx(step_norm, rel=1e-3)


def preset_batches(preset):
    tokens = np.random.default_rng(0).integers(32, 127, 20_000).astype(np.uint8)
    sampler = BatchSampler(tokens, preset.train.batch_size, preset.model.context_length, seed=1)
    return [sampler.batch(step) for step in range(10)]


@functools.cache
def preset_answers(preset):
    """PyTorch's logits, loss and gradients, and ten steps; the same for every engine."""
    return answers(preset.model, preset.train, preset_batches(preset))


def answers(model, train, batches):
    oracle = Oracle(model, train, initial_parameters(model, seed=2))
    logits = oracle.logits(batches[0].inputs)
    loss_and_gradients = oracle.loss_and_gradients(batches[0].inputs, batches[0].targets)
    return logits, loss_and_gradients, [oracle.train_step(batch.inputs, batch.targets) for batch in batches]


def test_the_committed_answers_are_what_pytorch_says_today():
    stored = load_file(REFERENCE_FILE)
    weights = {name.removeprefix("start."): value for name, value in stored.items() if name.startswith("start.")}
    oracle = Oracle(REFERENCE_MODEL, REFERENCE_TRAIN, weights)
    batches = reference_batches()
    np.testing.assert_allclose(oracle.logits(batches[0].inputs), stored["logits"], atol=1e-5)
    losses = [oracle.train_step(batch.inputs, batch.targets)[0] for batch in batches[:N_STEPS]]
    np.testing.assert_allclose(losses, stored["step_losses"], rtol=1e-4)


GPT2_VOCABULARY = ModelConfig(n_layers=2, d_model=16, n_heads=2, context_length=64, vocab_size=50_257)
GPT2_BATCH = TrainConfig(batch_size=6)  # on two threads, each has scores for two blocks


def gpt2_batches():
    tokens = np.random.default_rng(0).integers(0, GPT2_VOCABULARY.vocab_size, 5000).astype(np.uint16)
    sampler = BatchSampler(tokens, GPT2_BATCH.batch_size, GPT2_VOCABULARY.context_length, seed=1)
    return [sampler.batch(step) for step in range(10)]


@pytest.fixture(scope="module")
def gpt2_answers():
    return answers(GPT2_VOCABULARY, GPT2_BATCH, gpt2_batches())


@pytest.mark.parametrize(
    "variant",
    [
        "numpy",
        "vectorized[team=threads,threads=2]",
        "vectorized[team=processes,threads=2]",
        "compiled[team=threads,threads=2]",
        "compiled[team=processes,threads=2]",
        "jax[device=cpu]",
    ],
)
def test_gpt2s_vocabulary(variant, gpt2_answers):
    follow_pytorch(variant, gpt2_answers)


def test_a_large_model_of_gpt2s_vocabulary(gpt2_answers, monkeypatch):
    monkeypatch.setattr("tinygpt.engines.vectorized.layout._LARGE", 0)  # one gradient for all threads
    follow_pytorch("compiled[team=threads,threads=2]", gpt2_answers)


def follow_pytorch(variant, gpt2_answers):
    expected_logits, (expected_loss, expected), steps = gpt2_answers
    batches = gpt2_batches()
    engine = create_engine(variant, GPT2_VOCABULARY, GPT2_BATCH, seed=2)
    assert np.abs(engine.logits(batches[0].inputs) - expected_logits).max() < 1e-4
    assert engine.loss(batches[0].inputs, batches[0].targets) == pytest.approx(expected_loss, rel=1e-6)
    loss, gradients = engine.loss_and_gradients(batches[0].inputs, batches[0].targets)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    for name, gradient in gradients.items():
        scale = np.abs(expected[name]).max()
        assert np.abs(gradient - expected[name]).max() < 1e-4 * scale, name
    for batch, (step_loss, step_norm) in zip(batches, steps, strict=True):
        result = engine.train_step(batch.inputs, batch.targets)
        assert (result.loss, result.grad_norm) == pytest.approx((step_loss, step_norm), rel=1e-4)
