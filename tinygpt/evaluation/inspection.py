"""Inspection of a model: next-token probabilities, a text's score, attention weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tinygpt.arguments import whole_number
from tinygpt.config import TrainConfig
from tinygpt.engines import Engine
from tinygpt.engines.numpy import NumpyEngine
from tinygpt.errors import ConfigError
from tinygpt.evaluation.loss import bits, byte_losses, scoring_engine
from tinygpt.generation.decoding import prompt_note, prompt_tokens
from tinygpt.generation.inference import InferenceModel, KeyValueCache, LanguageModel, as_inference_model, require_model
from tinygpt.generation.inference.model import model_tokenizer
from tinygpt.layers import softmax


@dataclass(frozen=True)
class TextScore:
    """A model's score on a text.

    Attributes:
        n_bytes: number of predicted bytes: all but those of the first token.
        nats: mean cross-entropy, nats per byte.
    """

    n_bytes: int
    nats: float

    @property
    def bits(self) -> float:
        """Mean cross-entropy, bits per byte."""
        return bits(self.nats)

    @property
    def perplexity(self) -> float:
        """e to the loss: the number of equally likely bytes among which the model chooses, on average."""
        return math.exp(self.nats)


def score_text(model: LanguageModel, text: str | bytes) -> TextScore:
    """Score a text. One longer than the context is read in adjacent windows.

    Args:
        model: an engine, which computes the score, or a loaded model, for which the reference engine does.
        text: text (as UTF-8) or bytes, at least two tokens.

    Raises:
        CorpusError: the text is shorter.
    """
    engine = model if isinstance(model, Engine) else scoring_engine(model, NumpyEngine.name)
    losses = byte_losses(engine, model_tokenizer(engine).encode(text))
    return TextScore(len(losses), float(losses.mean()))


def next_token_probabilities(model: LanguageModel | InferenceModel, prompt: str | bytes) -> np.ndarray:
    """Return the model's own distribution over the token after a prompt, (V,) float64 by token id.

    Args:
        model: an engine, a loaded model, or an ``InferenceModel``.
        prompt: text (as UTF-8) or bytes; one longer than the context keeps its end, an empty one becomes a line break.
    """
    tokens = prompt_tokens(prompt, require_model(model).context_length, model_tokenizer(model))
    return softmax(as_inference_model(model).read(tokens, KeyValueCache(model.config)).astype(np.float64))


def attention_weights(model: LanguageModel, text: str | bytes, layer: int) -> np.ndarray:
    """Return the attention weights of a layer's heads: row i of a head has position i's weights for all positions.

    Args:
        model: an engine or a loaded model; the reference engine computes with its weights.
        text: text (as UTF-8) or bytes, T of them, up to the context's length.
        layer: from 0.

    Returns:
        (H, T, T) float32; rows sum to 1, and later positions have weight 0.

    Raises:
        ConfigError: the text is longer than the context, or there is no such layer.
    """
    shape = require_model(model)
    whole_number("layer", layer, 0, shape.n_layers - 1)
    tokenizer = model_tokenizer(model)
    tokens = prompt_tokens(text, shape.context_length, tokenizer)
    if note := prompt_note(text, shape.context_length, tokenizer):
        raise ConfigError(note, f"a text of at most {shape.context_length} tokens")
    engine = NumpyEngine.create(shape, TrainConfig(batch_size=1), weights=model.state_dict())
    return engine.attention_weights(tokens[None])[layer][0]
