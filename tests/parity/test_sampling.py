"""Sampling against transformers: the same options leave the same tokens with the same probabilities.

Needs torch and transformers; run by ``invoke parity``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2LMHeadModel

from tests.parity.oracle import Oracle
from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.config import ModelConfig
from tinygpt.generation.decoding import generate
from tinygpt.generation.sampling import SamplingSettings, kept_tokens, penalized, tokens_seen

OURS = random_model(config=ModelConfig(n_layers=2, d_model=24, n_heads=3, context_length=64))
PROMPT = list(b"to be or not to be")
OPTIONS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.7},
    {"top_k": 7},
    {"top_p": 0.9},
    {"top_p": 0.3},
    {"min_p": 0.1},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.8},
    {"temperature": 1.4, "top_k": 40, "top_p": 0.8, "min_p": 0.05, "repetition_penalty": 1.2},
    {"temperature": 0.6, "top_p": 0.95, "min_p": 0.3},
]


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    return Oracle(OURS.config, OURS.train, OURS.weights).network.eval()


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options) or "none")
def test_probabilities_are_those_of_transformers(model: GPT2LMHeadModel, options: dict[str, Any]) -> None:
    """Compare at every token of a text that transformers' ``generate`` writes, which applies its own order."""
    torch.manual_seed(1)
    theirs = model.generate(
        torch.tensor([PROMPT]), max_new_tokens=20, do_sample=True, **({"top_k": 0} | options), output_scores=True,
        output_logits=True, return_dict_in_generate=True, pad_token_id=0,
    )  # fmt: skip
    settings, text, kept = SamplingSettings(20, **options), theirs.sequences[0].tolist(), set()
    for step, (raw, processed) in enumerate(zip(theirs.logits, theirs.scores, strict=True)):
        seen = tokens_seen(np.array(text[: len(PROMPT) + step]), 256)
        ids, weights = kept_tokens(penalized(raw[0].numpy(), seen, settings), settings)
        ours = np.zeros(256)
        ours[ids] = weights / weights.sum()
        np.testing.assert_allclose(ours, processed[0].double().softmax(0).numpy(), rtol=1e-4, atol=1e-9)
        kept.add(len(ids))
    narrows = options.keys() & {"top_k", "top_p", "min_p"}
    assert max(kept) < 256 if narrows else kept == {256}


@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_a_greedy_text_ends_at_the_stop_string_of_theirs(model: GPT2LMHeadModel, penalty: float) -> None:
    theirs = model.generate(
        torch.tensor([PROMPT]), max_new_tokens=40, do_sample=False, repetition_penalty=penalty, pad_token_id=0
    )
    text = bytes(theirs[0, len(PROMPT) :].tolist())
    options: dict[str, Any] = {"temperature": 0, "repetition_penalty": penalty}
    assert bytes(generate(OURS, bytes(PROMPT), 40, **options)) == text
    ended = bytes(generate(OURS, bytes(PROMPT), 40, stop_strings=[text[5:7]], **options))
    assert ended == text[: text.index(text[5:7]) + 2]
