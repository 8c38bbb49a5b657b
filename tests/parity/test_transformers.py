"""Interchange with transformers: our folders load there, theirs load here, and both compute the same.

Needs torch and transformers; run by ``invoke parity``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, pipeline

from tinygpt.checkpoints.layout import CONFIG, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import save_checkpoint
from tinygpt.engines import Engine, create_engine
from tinygpt.errors import CheckpointError
from tinygpt.generation.decoding import generate, generate_text
from tinygpt.generation.inference import InferenceModel, KeyValueCache
from tinygpt.presets import PRESETS
from tinygpt.tokenizers import BYTES
from tinygpt.tokenizers.training import train_bpe

PRESET = PRESETS["tiny"]
TOKENS = np.random.default_rng(0).integers(0, 256, (3, PRESET.model.context_length))


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A model that has moved away from its symmetric start: biases and gains count too."""
    engine = create_engine("numpy", PRESET.model, PRESET.train, seed=4)
    rng = np.random.default_rng(1)
    state = {name: a + 0.05 * rng.standard_normal(a.shape, np.float32) for name, a in engine.state_dict().items()}
    engine.load_state_dict(state)
    for _ in range(3):
        engine.train_step(TOKENS, np.roll(TOKENS, -1, axis=1), learning_rate=1e-2)
    return engine


@pytest.fixture(scope="module")
def folder(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ours") / "run"
    return save_checkpoint(out, engine)


def logits_of(model: torch.nn.Module, tokens: np.ndarray) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        return model(torch.from_numpy(tokens)).logits.numpy()


def test_from_pretrained_finds_every_key_and_no_other(folder: Path) -> None:
    model, info = GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    assert model.config.architectures == ["GPT2LMHeadModel"]
    assert sum(p.numel() for p in model.parameters()) == PRESET.model.n_parameters
    assert model.lm_head.weight.data_ptr() == model.transformer.wte.weight.data_ptr()
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_logits_agree(folder: Path, engine: Engine) -> None:
    theirs = logits_of(GPT2LMHeadModel.from_pretrained(folder), TOKENS)
    np.testing.assert_allclose(theirs, engine.logits(TOKENS), atol=1e-4)
    np.testing.assert_allclose(theirs, logits_of(AutoModelForCausalLM.from_pretrained(folder), TOKENS), atol=0)
    ours = InferenceModel(load_checkpoint(folder)).extend(TOKENS[1], KeyValueCache(engine.config))
    np.testing.assert_allclose(theirs[1], ours, atol=1e-4)
    assert np.abs(theirs).max() > 0.1, "logits this flat would agree with anything"


def test_greedy_text_agrees(folder: Path) -> None:
    prompt = b"Once upon"
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    found = model.generate(torch.tensor([list(prompt)]), max_new_tokens=20, do_sample=False)[0, len(prompt) :].tolist()
    assert found == list(generate(load_checkpoint(folder), prompt, 20, temperature=0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_what_save_pretrained_writes_loads_here(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=256, n_positions=32, n_embd=48, n_layer=2, n_head=3, bos_token_id=None, eos_token_id=None
    )
    theirs = GPT2LMHeadModel(config).to(dtype)
    theirs.save_pretrained(tmp_path / "theirs")
    loaded = load_checkpoint(tmp_path / "theirs")
    assert loaded.config == PRESET.model
    assert loaded.training is None and loaded.optimizer is None
    engine = create_engine("numpy", loaded.config, loaded.train)
    engine.load_state_dict(loaded.weights)
    np.testing.assert_allclose(engine.logits(TOKENS), logits_of(theirs.float(), TOKENS), atol=1e-4)


def test_a_folder_goes_there_and_back_without_losing_a_bit(folder: Path, engine: Engine, tmp_path: Path) -> None:
    GPT2LMHeadModel.from_pretrained(folder).save_pretrained(tmp_path / "back")
    back = load_checkpoint(tmp_path / "back")
    assert back.config == engine.config
    for name, array in engine.state_dict().items():
        np.testing.assert_array_equal(back.weights[name], array)


def test_every_key_of_our_configuration_means_something_to_transformers(folder: Path) -> None:
    ours = json.loads((folder / CONFIG).read_text())
    theirs = GPT2Config.from_pretrained(folder).to_dict()
    theirs["n_ctx"] = theirs["n_positions"]  # its old name, kept for older readers
    assert {key: theirs[key] for key in ours} == ours


TEXT = "Once upon a time there was a dog, and once upon a time there was a cat. "
BPE = train_bpe("bpe:300", 300, (TEXT * 40).encode())


@pytest.fixture(scope="module", params=["bytes", "bpe"])
def with_tokenizer(request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = engine
    if request.param == "bpe":
        model = create_engine("numpy", replace(PRESET.model, vocab_size=BPE.vocab_size), PRESET.train, seed=5)
        model.tokenizer = BPE
    return save_checkpoint(tmp_path_factory.mktemp(request.param) / "run", model)


def test_a_pipeline_writes_our_greedy_text(with_tokenizer: Path) -> None:
    prompt, ours = "Once upon", load_checkpoint(with_tokenizer)
    found = pipeline("text-generation", model=str(with_tokenizer))(prompt, max_new_tokens=20, do_sample=False)
    assert found[0]["generated_text"] == prompt + generate_text(ours, prompt, 20, temperature=0)


def test_tokens_agree_and_come_back(with_tokenizer: Path, tmp_path: Path) -> None:
    ours, theirs = load_checkpoint(with_tokenizer).tokenizer, AutoTokenizer.from_pretrained(with_tokenizer)
    for text in (TEXT, "  é€\N{GRINNING FACE}\n\n\0x", ""):
        assert theirs(text)["input_ids"] == ours.encode(text).tolist()
        assert theirs.decode(theirs(text)["input_ids"]) == text
    theirs.save_pretrained(tmp_path)
    GPT2LMHeadModel.from_pretrained(with_tokenizer).save_pretrained(tmp_path)
    back = load_checkpoint(tmp_path).tokenizer
    assert (back is BYTES) == (ours is BYTES)
    np.testing.assert_array_equal(back.encode(TEXT), ours.encode(TEXT))


def test_another_vocabulary_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(vocab_size=300, n_positions=8, n_embd=4, n_layer=1, n_head=1)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json, and its vocab_size is 300"):
        load_checkpoint(tmp_path)
    assert (tmp_path / WEIGHTS).exists()
