"""LoRA beside PEFT on PyTorch: loss, every gradient by name, ten updates, and folders that both of them load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel

from tests.parity.oracle import Oracle
from tests.reference import REFERENCE_MODEL, REFERENCE_TRAIN, reference_batches
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.engines import create_engine
from tinygpt.export.formats import export_model, find_format
from tinygpt.gallery import load_gallery_model
from tinygpt.gallery.card import ADAPTERS
from tinygpt.gallery.sources import load_adapted
from tinygpt.lora import initial_adapter, parse_lora
from tinygpt.params import Arrays, initial_parameters, parameter_shapes

LORA = "rank=4,alpha=6,on=attn+mlp"
TRAIN = replace(REFERENCE_TRAIN, lora=LORA)
WEIGHTS = initial_parameters(REFERENCE_MODEL, 3)


def some_adapter() -> Arrays:
    """Return an adapter as after some training: B of zeros would hide A's gradient."""
    rng = np.random.default_rng(1)
    adapter = initial_adapter(parameter_shapes(REFERENCE_MODEL), parse_lora(LORA), 7)
    return {name: array + 0.05 * rng.standard_normal(array.shape).astype(np.float32) for name, array in adapter.items()}


class Tuned(Oracle):
    """The oracle with PEFT's adapter in place of trained weights."""

    def __init__(self, adapter: Arrays) -> None:
        super().__init__(REFERENCE_MODEL, TRAIN, WEIGHTS)
        lora = parse_lora(LORA)
        config = LoraConfig(
            r=lora.rank, lora_alpha=lora.alpha, target_modules=[*lora.on], fan_in_fan_out=True, task_type="CAUSAL_LM"
        )
        self.network = get_peft_model(self.network, config)
        tensors = dict(self.network.named_parameters())
        self.parameters = {
            name: tensors[f"base_model.model.transformer.{name}.default.weight"] for name in adapter
        }  # output-first, the transposed of ours
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(torch.from_numpy(adapter[name].T))
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(), lr=TRAIN.learning_rate, betas=TRAIN.betas, eps=TRAIN.eps,
            weight_decay=TRAIN.weight_decay,
        )  # fmt: skip


@pytest.mark.parametrize("variant", ["numpy", "vectorized[threads=2]", "compiled[threads=2]"])
def test_peft_has_the_same_loss_gradients_and_updates(variant: str) -> None:
    adapter = some_adapter()
    engine, oracle = create_engine(variant, REFERENCE_MODEL, TRAIN, weights=WEIGHTS, adapter=adapter), Tuned(adapter)
    batches = reference_batches()
    inputs, targets = batches[0].inputs, batches[0].targets
    np.testing.assert_allclose(engine.logits(inputs), oracle.logits(inputs), atol=1e-5)
    (loss, gradients), (expected_loss, expected) = (
        each.loss_and_gradients(inputs, targets) for each in (engine, oracle)
    )
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        wanted = expected[name].T
        np.testing.assert_allclose(gradient, wanted, atol=2e-5 * np.abs(wanted).max(), err_msg=name)
    assert len(batches) == 10
    for batch in batches:
        result, (loss, norm) = (each.train_step(batch.inputs, batch.targets) for each in (engine, oracle))
        assert (result.loss, result.grad_norm) == (pytest.approx(loss, rel=1e-4), pytest.approx(norm, rel=1e-3))
    for name, value in oracle.weights().items():
        np.testing.assert_allclose(engine.adapter()[name], value.T, atol=2e-4, err_msg=name)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "base", Checkpoint(REFERENCE_MODEL, REFERENCE_TRAIN, WEIGHTS))


def test_peft_loads_our_adapter(base: Path, tmp_path: Path) -> None:
    ours = Checkpoint(REFERENCE_MODEL, TRAIN, WEIGHTS, adapter=some_adapter(), base=str(base))
    save_checkpoint(tmp_path / "adapter", ours)
    network = PeftModel.from_pretrained(Oracle(REFERENCE_MODEL, TRAIN, WEIGHTS).network, tmp_path / "adapter")
    inputs = reference_batches()[0].inputs
    with torch.no_grad():
        expected = network(torch.from_numpy(inputs)).logits.numpy()
    engine = create_engine("numpy", REFERENCE_MODEL, TRAIN, weights=WEIGHTS, adapter=ours.adapter)
    np.testing.assert_allclose(engine.logits(inputs), expected, atol=1e-5)


def test_transformers_loads_our_adapters_folder(base: Path, tmp_path: Path) -> None:
    ours = Checkpoint(REFERENCE_MODEL, TRAIN, WEIGHTS, adapter=some_adapter(), base=str(base))
    folder = save_checkpoint(tmp_path / "adapter", ours)
    network = AutoModelForCausalLM.from_pretrained(folder)
    inputs = reference_batches()[0].inputs
    with torch.no_grad():
        found = network(torch.from_numpy(inputs)).logits.numpy()
    engine = create_engine("numpy", REFERENCE_MODEL, TRAIN, weights=WEIGHTS, adapter=ours.adapter)
    np.testing.assert_allclose(engine.logits(inputs), found, atol=1e-5)
    assert AutoTokenizer.from_pretrained(folder)("abc")["input_ids"] == [97, 98, 99]


def test_peft_loads_an_adapter_of_the_gallery_on_its_exported_base(tmp_path: Path) -> None:
    export_model(load_gallery_model("stories"), find_format("safetensors"), tmp_path / "stories")
    base = GPT2LMHeadModel.from_pretrained(tmp_path / "stories")
    network = PeftModel.from_pretrained(base, ADAPTERS / "stories-shakespeare")
    ours, inputs = load_adapted("stories-shakespeare"), np.array([[*b"ROMEO:\nBut soft"]])
    with torch.no_grad():
        found = network(torch.from_numpy(inputs)).logits.numpy()
    engine = create_engine("numpy", ours.config, REFERENCE_TRAIN, weights=ours.state_dict())
    np.testing.assert_allclose(engine.logits(inputs), found, atol=1e-4)


def test_we_load_pefts_adapter(base: Path, tmp_path: Path) -> None:
    tuned = Tuned(some_adapter())
    tuned.network.save_pretrained(tmp_path / "peft")
    loaded = load_checkpoint(tmp_path / "peft", base=load_checkpoint(base))
    inputs = reference_batches()[0].inputs
    engine = create_engine("numpy", loaded.config, REFERENCE_TRAIN, weights=loaded.state_dict())
    np.testing.assert_allclose(engine.logits(inputs), tuned.logits(inputs), atol=1e-5)


def test_layers_that_are_trained_alone_have_pytorchs_gradients() -> None:
    train = replace(REFERENCE_TRAIN, train_only="h.1,wte")
    oracle = Oracle(REFERENCE_MODEL, train, WEIGHTS)
    batch = reference_batches()[0]
    _, expected = oracle.loss_and_gradients(batch.inputs, batch.targets)
    for variant in ("numpy", "vectorized[threads=2]", "compiled[threads=2]"):
        engine = create_engine(variant, REFERENCE_MODEL, train, weights=WEIGHTS)
        _, gradients = engine.loss_and_gradients(batch.inputs, batch.targets)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, expected[name], atol=2e-5 * np.abs(expected[name]).max(), err_msg=name)
