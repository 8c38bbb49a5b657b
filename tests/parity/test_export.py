"""Exported models in the programs that they are for: onnxruntime, the package gguf, transformers."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import gguf
import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.config import ModelConfig
from tinygpt.engines import create_engine
from tinygpt.errors import ExportError
from tinygpt.export import onnx_folder
from tinygpt.export.formats import FORMATS, export_model
from tinygpt.generation.decoding import continue_tokens
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.tokenizers import BYTES
from tinygpt.tokenizers.json_tokenizer import JsonTokenizer
from tinygpt.tokenizers.training import train_bpe

TEXT = b"Once upon a time there was a model. It was small, and it knew a few words: a model, a time, a word.\n" * 20


def bpe_model(size: int = 300) -> Checkpoint:
    tokenizer = train_bpe("bpe:300", size, TEXT)
    shape = ModelConfig(2, 24, 3, 20, vocab_size=tokenizer.vocab_size)
    return replace(random_model(0.2, shape), tokenizer=tokenizer)


@pytest.fixture(params=["bytes", "bpe", "eps"], scope="module")
def model(request: pytest.FixtureRequest) -> Checkpoint:
    shapes = {"bytes": ModelConfig(2, 12, 3, 16), "eps": ModelConfig(1, 20, 1, 9, layer_norm_eps=1e-3)}
    return bpe_model() if request.param == "bpe" else random_model(0.3, shapes[request.param])


def logits_of(model: Checkpoint, tokens: np.ndarray) -> np.ndarray:
    return create_engine("numpy", model.config, model.train, weights=model.weights).logits(tokens[None])[0]


@pytest.mark.parametrize("inside", [1 << 30, 0], ids=["one file", "weights beside it"])
def test_onnxruntime_computes_the_same_scores_with_a_cache(
    model: Checkpoint, inside: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_folder, "INSIDE", inside)
    assert "token by token" in export_model(model, FORMATS["onnx"], tmp_path / "out")
    assert (tmp_path / "out" / onnx_folder.DATA).exists() == (inside == 0)
    session = onnxruntime.InferenceSession(tmp_path / "out" / onnx_folder.GRAPH)
    shape = model.config
    tokens = np.random.default_rng(2).integers(0, shape.vocab_size, (2, shape.context_length))
    expected = np.stack([logits_of(model, row) for row in tokens])  # a batch of two rows
    caches = [value.name for value in session.get_inputs()[2:]]
    past = {name: np.zeros((2, shape.n_heads, 0, shape.head_dim), np.float32) for name in caches}
    pieces, start = [], 0
    for size in (4, 1, 1, shape.context_length - 6):  # a prompt, two tokens, a longer piece
        places = np.tile(np.arange(start, start + size), (2, 1))
        scores, *present = session.run(None, {"input_ids": tokens[:, places[0]], "position_ids": places, **past})
        past, start = dict(zip(caches, present, strict=True)), start + size
        pieces.append(scores)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), expected, atol=1e-4)


def test_scores_that_differ_are_refused_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_folder, "TOLERANCE", 0.0)
    monkeypatch.setattr(onnx_folder, "_OF_LARGE", 0.0)
    with pytest.raises(ExportError, match="onnxruntime computes scores that differ by"):
        export_model(random_model(), FORMATS["onnx"], tmp_path / "out")
    assert [*tmp_path.iterdir()] == []


def test_transformers_reads_what_is_exported(model: Checkpoint, tmp_path: Path) -> None:
    tokens = np.random.default_rng(2).integers(0, model.config.vocab_size, model.config.context_length)
    export_model(model, FORMATS["safetensors"], tmp_path / "st")
    export_model(model, FORMATS["gguf"], tmp_path / "m.gguf")
    folder = GPT2LMHeadModel.from_pretrained(tmp_path / "st")
    # It looks for the number of places under another key than llama.cpp.
    file = GPT2LMHeadModel.from_pretrained(tmp_path, gguf_file="m.gguf", config=folder.config)
    for theirs in (folder, file):
        with torch.no_grad():
            logits = theirs(torch.from_numpy(tokens[None])).logits[0].numpy()
        np.testing.assert_allclose(logits, logits_of(model, tokens), atol=1e-4)
    if model.tokenizer is not BYTES:
        words = "a time, a word: été"
        own = model.tokenizer.encode(words).tolist()
        assert AutoTokenizer.from_pretrained(tmp_path / "st").encode(words) == own


def test_the_package_gguf_reads_shape_tensors_and_tokens(model: Checkpoint, tmp_path: Path) -> None:
    export_model(model, FORMATS["gguf"], tmp_path / "m.gguf")
    read = gguf.GGUFReader(tmp_path / "m.gguf")
    shape = model.config
    for key, value in (
        ("general.architecture", "gpt2"),
        ("gpt2.block_count", shape.n_layers),
        ("gpt2.context_length", shape.context_length),
        ("gpt2.attention.head_count", shape.n_heads),
        ("gpt2.feed_forward_length", shape.d_hidden),
        ("gpt2.attention.layer_norm_epsilon", pytest.approx(shape.layer_norm_eps)),
    ):
        assert read.fields[key].contents() == value
    tensors = {tensor.name: tensor.data for tensor in read.tensors}
    np.testing.assert_array_equal(tensors["blk.0.ffn_up.weight"], model.weights["h.0.mlp.c_fc.weight"].T)
    np.testing.assert_array_equal(tensors["position_embd.weight"], model.weights["wpe.weight"])
    assert len(read.fields["tokenizer.ggml.tokens"].contents()) == shape.vocab_size
    pairs = model.tokenizer.content["model"]["merges"]
    assert len(read.fields["tokenizer.ggml.merges"].contents()) == max(1, len(pairs))


def test_a_tokenizer_that_gguf_has_no_name_for_is_refused(tmp_path: Path) -> None:
    model = bpe_model()
    other = model.tokenizer.content | {"pre_tokenizer": {"type": "ByteLevel", "use_regex": False}}
    with pytest.raises(ExportError, match="cuts words by"):
        export_model(replace(model, tokenizer=JsonTokenizer("x", other)), FORMATS["gguf"], tmp_path / "m.gguf")
    assert [*tmp_path.iterdir()] == []


LLAMA = "llama.cpp is in no extra, because its package is compiled on the spot: pip install llama-cpp-python"


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_llama_cpp_reads_our_tokens_computes_our_scores_and_writes_our_text(kind: str, tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason=LLAMA)
    model = bpe_model() if kind == "bpe" else random_model(0.3, ModelConfig(2, 12, 3, 16))
    export_model(model, FORMATS["gguf"], tmp_path / "m.gguf")
    context = model.config.context_length
    llama = llama_cpp.Llama(str(tmp_path / "m.gguf"), n_ctx=context, logits_all=True, n_threads=1, verbose=False)
    words = "a time, a word"
    tokens = model.tokenizer.encode(words)
    assert llama.tokenize(words.encode(), add_bos=False, special=False) == tokens.tolist()
    llama.eval(tokens.tolist())
    # It looks GELU up in a table of float16.
    np.testing.assert_allclose(llama.scores[: len(tokens)], logits_of(model, tokens), atol=2e-3)
    prompt, n_new = tokens[:4], 5
    written = [*islice(llama.generate(prompt.tolist(), temp=0.0), n_new)]
    assert written == [*continue_tokens(model, prompt, SamplingSettings(n_new, temperature=0.0))]
