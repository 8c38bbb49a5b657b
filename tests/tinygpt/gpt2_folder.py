"""A small GPT-2 as its authors publish theirs: a vocabulary of words, two layers, no file of ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.tinygpt.training.small_runs import CORPUS
from tinygpt.checkpoints.gpt2_config import to_gpt2_config
from tinygpt.checkpoints.layout import CONFIG, TOKENIZER, WEIGHTS
from tinygpt.config import ModelConfig
from tinygpt.params import Arrays, initial_parameters
from tinygpt.tokenizers.files import MERGES, VOCABULARY
from tinygpt.tokenizers.training import train_bpe

BPE = train_bpe("bpe:300", 300, CORPUS.train)
MODEL = ModelConfig(2, 32, 2, 24, vocab_size=BPE.vocab_size)
END = "<|endoftext|>"
LAST = BPE.vocab_size - 1  # in write_pair, the id of END


def weights(seed: int = 0, model: ModelConfig = MODEL) -> Arrays:
    """Weights that are off their symmetric start."""
    rng = np.random.default_rng(seed)
    return {
        name: array + 0.05 * rng.standard_normal(array.shape, np.float32)
        for name, array in initial_parameters(model, seed).items()
    }


def write_gpt2(folder: Path, model: ModelConfig = MODEL, **config: object) -> Path:
    """Write config.json, tokenizer.json and model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(to_gpt2_config(replace(model)) | config))
    (folder / TOKENIZER).write_text(json.dumps(BPE.content))
    save_file({f"transformer.{name}": array for name, array in weights(model=model).items()}, folder / WEIGHTS)
    return folder


def write_pair(folder: Path) -> Path:
    """Replace tokenizer.json with vocab.json and merges.txt, in which the last token is the end of a text."""
    (folder / TOKENIZER).unlink()
    model = BPE.content["model"]
    vocabulary = {text: token for text, token in model["vocab"].items() if token < LAST} | {END: LAST}
    (folder / VOCABULARY).write_text(json.dumps(vocabulary))
    merges = (merge.split() if isinstance(merge, str) else merge for merge in model["merges"])
    lines = [" ".join(merge) for merge in merges if "".join(merge) in vocabulary]
    (folder / MERGES).write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    return folder
