"""GPT-2 folders as others publish them: the same logits, loss, gradients and updates as in PyTorch, by name.

Needs torch and transformers; run by ``invoke parity``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, pipeline

from tests.parity.oracle import Oracle
from tests.tinygpt.gpt2_folder import BPE, END, MODEL, write_pair
from tests.tinygpt.training.small_runs import CORPUS, plan
from tinygpt.checkpoints.layout import INDEX, TOKENIZER, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.config import TrainConfig
from tinygpt.engines import create_engine
from tinygpt.generation.decoding import generate_text
from tinygpt.training.session import run_session

UPDATES = 10
VARIANTS = ["numpy", "vectorized[threads=2]", "compiled[threads=2]"]
TOKENS = BPE.encode(CORPUS.train)[: 3 * (MODEL.context_length + 1)].reshape(3, -1).astype(np.int64)
INPUTS, TARGETS = TOKENS[:, :-1], TOKENS[:, 1:]


def published(folder: Path, dtype: torch.dtype = torch.bfloat16, **config: Any) -> Path:
    """Save a model off its symmetric start as transformers does, in several files of half precision."""
    torch.manual_seed(1)
    sizes = {"n_positions": MODEL.context_length, "n_embd": MODEL.d_model, "n_layer": MODEL.n_layers, "n_head": 2}
    theirs = GPT2LMHeadModel(GPT2Config(vocab_size=MODEL.vocab_size, **sizes, **config))
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    theirs.to(dtype).save_pretrained(folder, max_shard_size=40_000)
    (folder / TOKENIZER).write_text(json.dumps(BPE.content))
    assert (folder / INDEX).exists() and not (folder / WEIGHTS).exists()
    return folder


def from_pretrained(folder: Path) -> GPT2LMHeadModel:
    return GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("published") / "gpt2")


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_loss_and_every_gradient_agree(folder: Path, variant: str) -> None:
    checkpoint, theirs = load_checkpoint(folder), from_pretrained(folder)
    engine = create_engine(variant, checkpoint.config, TrainConfig(3), weights=checkpoint.weights)
    found = theirs(torch.from_numpy(TOKENS)[:, :-1])
    np.testing.assert_allclose(engine.logits(INPUTS), found.logits.detach().numpy(), atol=1e-4)
    loss = theirs(torch.from_numpy(TOKENS[:, :-1]), labels=torch.from_numpy(TOKENS[:, :-1])).loss  # it shifts them
    assert engine.loss(INPUTS[:, :-1], INPUTS[:, 1:]) == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.nn.functional.cross_entropy(found.logits.flatten(0, 1), torch.from_numpy(TARGETS).flatten()).backward()
    _, gradients = engine.loss_and_gradients(INPUTS, TARGETS)
    named = dict(theirs.transformer.named_parameters())
    assert gradients.keys() == named.keys()
    for name, parameter in named.items():
        assert parameter.grad is not None
        expected = parameter.grad.numpy()
        np.testing.assert_allclose(gradients[name], expected, atol=2e-4 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_ten_updates_agree(folder: Path, variant: str) -> None:
    checkpoint, train = load_checkpoint(folder), TrainConfig(3, learning_rate=1e-3)
    engine = create_engine(variant, checkpoint.config, train, weights=checkpoint.weights)
    theirs = {name: p.detach().numpy() for name, p in from_pretrained(folder).transformer.named_parameters()}
    oracle = Oracle(checkpoint.config, train, theirs)
    for _ in range(UPDATES):
        loss, norm = oracle.train_step(INPUTS, TARGETS)
        ours = engine.train_step(INPUTS, TARGETS)
        assert (ours.loss, ours.grad_norm) == pytest.approx((loss, norm), rel=2e-4)
    moved = oracle.weights()
    for name, array in engine.state_dict().items():
        # Where a gradient is next to nothing, its sign is that of rounding, and AdamW steps by the rate all the same.
        assert np.mean(np.abs(array - moved[name]) > 2e-4) < 0.01, name
        assert np.abs(moved[name] - theirs[name]).max() > 1e-3, "the updates have moved the model"
    np.testing.assert_allclose(engine.logits(INPUTS), oracle.logits(INPUTS), atol=5e-3)


@pytest.mark.parametrize("config", [{"reorder_and_upcast_attn": True}, {"activation_function": "gelu_pytorch_tanh"}])
def test_settings_that_change_no_function_are_accepted(tmp_path: Path, config: dict[str, Any]) -> None:
    folder = published(tmp_path / "gpt2", torch.float16, **config)
    checkpoint = load_checkpoint(folder)
    engine = create_engine("numpy", checkpoint.config, TrainConfig(3), weights=checkpoint.weights)
    with torch.no_grad():
        theirs = from_pretrained(folder)(torch.from_numpy(INPUTS)).logits.numpy()
    np.testing.assert_allclose(engine.logits(INPUTS), theirs, atol=1e-4)


def test_a_fine_tuned_folder_needs_no_line_of_ours(folder: Path, tmp_path: Path) -> None:
    wanted = plan(tmp_path / "run", start_from=folder, steps=4, context_length=16, dropout=0.1, learning_rate=1e-3)
    list(run_session(wanted, CORPUS))
    prompt = "The fox saw"
    ours = generate_text(load_checkpoint(tmp_path / "run"), prompt, 8, temperature=0)
    write = pipeline("text-generation", model=str(tmp_path / "run"))
    assert write(prompt, max_new_tokens=8, do_sample=False)[0]["generated_text"] == prompt + ours


def test_the_older_pair_of_files_is_the_tokenizer_of_transformers(tmp_path: Path) -> None:
    older = write_pair(published(tmp_path / "gpt2"))
    ours, theirs = load_checkpoint(older).tokenizer, AutoTokenizer.from_pretrained(older)
    for text in ("The fox saw a hen.", f"a {END} b{END}", "  é€\N{GRINNING FACE}\n\n\tx"):
        assert theirs(text)["input_ids"] == ours.encode(text).tolist()
