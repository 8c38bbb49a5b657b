"""Inspection: probabilities, scores and attention weights are the engine's own numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.tinygpt.slow_gpt2 import random_model
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.config import TrainConfig
from tinygpt.engines import create_engine
from tinygpt.errors import ConfigError, CorpusError
from tinygpt.evaluation.inspection import attention_weights, next_token_probabilities, score_text
from tinygpt.generation.inference import InferenceModel
from tinygpt.layers import embed, gelu, layer_norm, linear, merge_heads, softmax, split_heads
from tinygpt.tokenizers import BYTES

TEXT = "a cat sat"


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    return random_model()


def logits(model: Checkpoint, text: str | bytes) -> np.ndarray:
    engine = create_engine("vectorized[threads=1]", model.config, TrainConfig(batch_size=1), weights=model.weights)
    return engine.logits(BYTES.encode(text)[None])[0]


def test_probabilities_are_those_of_the_logits(model: Checkpoint) -> None:
    found = next_token_probabilities(model, TEXT)
    assert found.shape == (256,)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(found, softmax(logits(model, TEXT)[-1].astype(np.float64)), rtol=1e-4)
    np.testing.assert_array_equal(next_token_probabilities(InferenceModel(model), TEXT), found)
    end = "sixteen bytes ok"
    longer, own = (next_token_probabilities(model, text) for text in ("before " + end, end))
    np.testing.assert_array_equal(longer, own)


def test_a_score_is_the_mean_surprise_of_every_byte_but_the_first(model: Checkpoint) -> None:
    surprises = [
        -math.log(next_token_probabilities(model, TEXT[:place])[ord(TEXT[place])]) for place in range(1, len(TEXT))
    ]
    score = score_text(model, TEXT)
    assert score.n_bytes == len(TEXT) - 1
    assert score.nats == pytest.approx(np.mean(surprises), rel=1e-5)
    assert score.bits == pytest.approx(score.nats / math.log(2))
    assert score.perplexity == pytest.approx(math.exp(score.nats))
    engine = create_engine("numpy", model.config, TrainConfig(batch_size=1), weights=model.weights)
    assert score_text(engine, TEXT) == score
    assert score_text(model, TEXT * 9).n_bytes == 9 * len(TEXT) - 1  # several windows
    with pytest.raises(CorpusError, match="has 1 token;"):
        score_text(model, "a")


def test_attention_is_causal_and_sums_to_one(model: Checkpoint) -> None:
    for layer in range(model.config.n_layers):
        weights = attention_weights(model, TEXT, layer)
        assert weights.shape == (model.config.n_heads, len(TEXT), len(TEXT))
        np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-6)
        assert not weights[:, *np.triu_indices(len(TEXT), k=1)].any()
        assert (weights[:, *np.tril_indices(len(TEXT))] > 0).all()
    for layer in (-1, model.config.n_layers):
        with pytest.raises(ConfigError, match=f"layer is {layer}; allowed: a whole number from 0 to"):
            attention_weights(model, TEXT, layer)


def test_the_logits_are_made_with_these_attention_weights(model: Checkpoint) -> None:
    """Repeat the forward pass with the given attention weights."""
    w, eps, n_heads = model.weights, model.config.layer_norm_eps, model.config.n_heads
    x = embed(BYTES.encode(TEXT)[None], w["wte.weight"], w["wpe.weight"])
    for layer in range(model.config.n_layers):
        h = f"h.{layer}"
        normed, _ = layer_norm(x, w[f"{h}.ln_1.weight"], w[f"{h}.ln_1.bias"], eps)
        qkv = linear(normed, w[f"{h}.attn.c_attn.weight"], w[f"{h}.attn.c_attn.bias"])
        values = split_heads(np.split(qkv, 3, axis=-1)[2], n_heads)
        mixed = merge_heads(attention_weights(model, TEXT, layer)[None] @ values)
        x = x + linear(mixed, w[f"{h}.attn.c_proj.weight"], w[f"{h}.attn.c_proj.bias"])
        normed, _ = layer_norm(x, w[f"{h}.ln_2.weight"], w[f"{h}.ln_2.bias"], eps)
        hidden, _ = gelu(linear(normed, w[f"{h}.mlp.c_fc.weight"], w[f"{h}.mlp.c_fc.bias"]))
        x = x + linear(hidden, w[f"{h}.mlp.c_proj.weight"], w[f"{h}.mlp.c_proj.bias"])
    final, _ = layer_norm(x, w["ln_f.weight"], w["ln_f.bias"], eps)
    np.testing.assert_allclose((final @ w["wte.weight"].T)[0], logits(model, TEXT), rtol=1e-3, atol=1e-4)
