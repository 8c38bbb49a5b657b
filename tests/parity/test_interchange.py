"""Trained further on the other side: twenty steps here and in PyTorch from one folder give one curve, both ways.

Needs torch and transformers; run by ``invoke parity``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.parity.oracle import Oracle
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import INDEX, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.data import BatchSampler
from tinygpt.engines import Engine, create_engine
from tinygpt.engines.vectorized.forms import FORMS
from tinygpt.training.session import run_session
from tinygpt.training.trainer import StepRecord

STEPS = 20
# Shapes that no preset has: any GPT-2 of bytes is welcome.
SHAPES = [ModelConfig(2, 40, 5, 24), ModelConfig(1, 16, 1, 9, layer_norm_eps=1e-6), ModelConfig(3, 24, 4, 16)]
TRAIN = TrainConfig(batch_size=4, learning_rate=3e-3)
VARIANTS = ["numpy", *(f"vectorized[threads=2,kernels={form}]" for form in FORMS), "compiled[threads=2]"]


def sampler_of(model: ModelConfig) -> BatchSampler:
    tokens = np.random.default_rng(3).integers(32, 127, 3_000).astype(np.uint8)
    return BatchSampler(tokens, TRAIN.batch_size, model.context_length, seed=5)


def foreign_folder(folder: Path, model: ModelConfig, **settings: object) -> Path:
    """A model that transformers made and saved, moved off its symmetric start."""
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=256,
        n_positions=model.context_length,
        n_embd=model.d_model,
        n_layer=model.n_layers,
        n_head=model.n_heads,
        layer_norm_epsilon=model.layer_norm_eps,
        bos_token_id=None,
        eos_token_id=None,
        **settings,
    )
    theirs = GPT2LMHeadModel(config)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    theirs.save_pretrained(folder, max_shard_size=30_000 if settings else "5GB")
    return folder


def oracle_from(folder: Path, checkpoint: Checkpoint, train: TrainConfig) -> Oracle:
    """Load a folder by from_pretrained, with the reference's optimiser and, if there are any, its moments."""
    weights = {
        name: parameter.detach().numpy()
        for name, parameter in GPT2LMHeadModel.from_pretrained(folder).transformer.named_parameters()
    }
    oracle = Oracle(checkpoint.config, train, weights)
    if checkpoint.optimizer is not None:
        for name, parameter in oracle.parameters.items():
            oracle.optimizer.state[parameter] = {
                "step": torch.tensor(float(checkpoint.optimizer.step)),
                "exp_avg": torch.tensor(checkpoint.optimizer.first_moment[name], dtype=torch.float32),
                "exp_avg_sq": torch.tensor(checkpoint.optimizer.second_moment[name], dtype=torch.float32),
            }
    return oracle


def assert_trains_alike(engine: Engine, oracle: Oracle, first: int) -> None:
    sampler = sampler_of(engine.config)
    inputs = sampler.batch(1000).inputs
    np.testing.assert_allclose(engine.logits(inputs), oracle.logits(inputs), atol=1e-4)
    before = engine.loss(inputs, sampler.batch(1000).targets)
    for step in range(first, first + STEPS):
        batch = sampler.batch(step)
        ours = engine.train_step(batch.inputs, batch.targets)
        loss, norm = oracle.train_step(batch.inputs, batch.targets)
        assert ours.loss == pytest.approx(loss, rel=3e-4), step
        assert ours.grad_norm == pytest.approx(norm, rel=5e-3), step
    np.testing.assert_allclose(engine.logits(inputs), oracle.logits(inputs), atol=5e-3)
    assert abs(engine.loss(inputs, sampler.batch(1000).targets) - before) > 0.02, "the steps have moved the model"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("model", SHAPES, ids=str)
def test_a_folder_of_theirs_trains_on_here_as_it_does_there(tmp_path: Path, model: ModelConfig, variant: str) -> None:
    folder = foreign_folder(tmp_path / "theirs", model)
    checkpoint = load_checkpoint(folder)
    assert checkpoint.config == model
    engine = create_engine(variant, checkpoint.config, TRAIN)
    engine.load_state_dict(checkpoint.weights)
    assert_trains_alike(engine, oracle_from(folder, checkpoint, TRAIN), first=0)


@pytest.mark.parametrize("variant", ["python", *VARIANTS])
def test_a_folder_of_ours_trains_on_there_as_it_does_here(tmp_path: Path, variant: str) -> None:
    """The moments go along: the step after the save is the one that would have come anyway."""
    model = ModelConfig(1, 16, 2, 8) if variant == "python" else SHAPES[0]
    engine = create_engine(variant, model, TRAIN, seed=6)
    sampler = sampler_of(model)
    for batch in map(sampler.batch, range(5)):
        engine.train_step(batch.inputs, batch.targets)
    folder = save_checkpoint(tmp_path / "ours", engine)
    assert_trains_alike(engine, oracle_from(folder, load_checkpoint(folder), TRAIN), first=5)


def test_a_folder_in_several_files_loads(tmp_path: Path) -> None:
    folder = foreign_folder(tmp_path / "theirs", SHAPES[0], resid_pdrop=0.2, embd_pdrop=0.2, attn_pdrop=0.0)
    assert (folder / INDEX).exists() and not (folder / WEIGHTS).exists()
    checkpoint = load_checkpoint(folder)
    assert checkpoint.train.dropout == 0.2
    theirs = GPT2LMHeadModel.from_pretrained(folder).transformer.state_dict()
    for name, array in checkpoint.weights.items():
        np.testing.assert_array_equal(array, theirs[name].numpy())


def test_a_whole_run_from_their_folder_and_back(tmp_path: Path) -> None:
    """`invoke train --start-from` on what they saved, from_pretrained on all that comes out of it."""
    folder = foreign_folder(tmp_path / "theirs", SHAPES[2])
    wanted = plan(tmp_path / "run", steps=8, eval_every=4, checkpoint_every=2, learning_rate=3e-3, start_from=folder)
    losses = [event.loss for event in run_session(wanted, CORPUS) if isinstance(event, StepRecord)]
    assert losses[-1] < losses[0]
    for part in (".", "checkpoints/best", "checkpoints/step-00000006"):
        checkpoint = load_checkpoint(tmp_path / "run" / part)
        model, info = GPT2LMHeadModel.from_pretrained(tmp_path / "run" / part, output_loading_info=True)
        assert not any(info.values()), info
        inputs = sampler_of(checkpoint.config).batch(0).inputs
        engine = create_engine("numpy", checkpoint.config, checkpoint.train)
        engine.load_state_dict(checkpoint.weights)
        with torch.no_grad():
            theirs = model.eval()(torch.from_numpy(inputs)).logits.numpy()
        np.testing.assert_allclose(engine.logits(inputs), theirs, atol=1e-4)
