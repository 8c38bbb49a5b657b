"""Checkpoints: folders that transformers reads, with the state that training needs. No pickle anywhere.

    config.json             the shape, as transformers' GPT2LMHeadModel.from_pretrained expects it
    model.safetensors       the weights, under Hugging Face GPT-2 names
    adapter_config.json     in place of both a LoRA adapter, with adapter_model.safetensors, as PEFT saves it, and
                            base_config.json, the shape
    optimizer.safetensors   AdamW's moments of what is trained, first_moment.NAME and second_moment.NAME, and the update
                            count; an engine that computes in double precision stores them so, with its weights as
                            weight.NAME
    tokenizer.json          text ↔ ids, with tokenizer_config.json, as transformers' fast tokenizers read it
    training_state.json     format version, batch and optimiser settings, the run's state, the SHA-256 of the other
                            files and of its own contents, so that a damaged or exchanged file is detected
    checkpoints/            the last ones before this and the best (see tinygpt/checkpoints/retention.py)

The files are replaced atomically (tinygpt/system/staging.py). ``saving.py`` writes a folder, ``loading.py`` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tinygpt.checkpoints.gpt2_config import dropout_of
from tinygpt.checkpoints.quantized import Quantization
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.engines import Engine
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.inference.model import model_tokenizer, require_model
from tinygpt.lora import merged
from tinygpt.optim import OptimizerState
from tinygpt.params import Arrays
from tinygpt.tokenizers import BYTES, Tokenizer

_FOREIGN_TOKENS = 1024  # in a batch of a model that has no settings of its own


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint, which is also a model for :func:`tinygpt.generation.decoding.generate`.

    Attributes:
        config: the model's shape.
        train: batch and optimiser settings; for a folder of transformers, defaults with the folder's dropout.
        weights: name → float32 array of the shape in ``parameter_shapes``; of an adapter, those of its base.
        optimizer: AdamW's state, if the folder has one.
        training: the run's state, if the folder has one.
        tokenizer: text ↔ ids.
        adapter: name → array of a LoRA adapter, whose shape is in ``train``; None without one.
        base: the folder or name of the adapter's base.
        quantization: the record of a folder whose weights are rounded.
    """

    config: ModelConfig
    train: TrainConfig
    weights: Arrays
    optimizer: OptimizerState | None = None
    training: TrainingState | None = None
    tokenizer: Tokenizer = BYTES
    adapter: Arrays | None = None
    base: str | None = None
    quantization: Quantization | None = None

    @property
    def step(self) -> int:
        """Number of updates behind the weights; 0 if the folder has no record of it."""
        return self.optimizer.step if self.optimizer else self.training.step if self.training else 0

    @property
    def stored_precision(self) -> str | None:
        """The precision that the weights were rounded to; None for float32, as with an adapter folded in."""
        return None if self.quantization is None or self.adapter is not None else self.quantization.precision

    def current_weights(self) -> Arrays:
        """Return the weights, an adapter folded in, to read only: arrays without an adapter are this object's own."""
        lora = self.train.adapter
        return dict(self.weights) if lora is None else merged(self.weights, self.adapter or {}, lora.scale)

    def state_dict(self) -> Arrays:
        """Copy the weights, an adapter folded in."""
        return {name: array.copy() for name, array in self.current_weights().items()}

    def read_once(self) -> WeightsOnce:
        """Give the weights away, and keep none: they are in memory once while another form of them is made."""
        weights = self.current_weights()
        self.weights.clear()
        return WeightsOnce(self.config, self.tokenizer, weights)

    def with_context(self, length: int) -> Checkpoint:
        """Return the same model with the first rows of its position table."""
        positions = self.weights["wpe.weight"][:length]
        model = replace(self.config, context_length=length)
        return replace(self, config=model, weights=self.weights | {"wpe.weight": positions})

    def with_vocabulary(self, size: int) -> Checkpoint:
        """Return the same model with the first rows of its token table."""
        model = replace(self.config, vocab_size=size)
        return replace(self, config=model, weights=self.weights | {"wte.weight": self.weights["wte.weight"][:size]})

    def folded(self) -> Checkpoint:
        """Return the same model without an adapter, and without the state of its training."""
        train = replace(self.train, lora="")
        return Checkpoint(self.config, train, self.current_weights(), tokenizer=self.tokenizer)

    def __repr__(self) -> str:
        return f"<checkpoint: {self.config.summary}, step {self.step:,}>"


@dataclass
class WeightsOnce:
    """A model whose weights can be read once. Who reads them frees each array when it is no longer needed."""

    config: ModelConfig
    tokenizer: Tokenizer
    weights: Arrays

    def state_dict(self) -> Arrays:
        """Return the weights, and keep none."""
        weights, self.weights = self.weights, {}
        return weights


def settings_without_state(model: ModelConfig, config: Mapping[str, Any] = MappingProxyType({})) -> TrainConfig:
    """Return settings for training a model that has none of its own: a batch of 1,024 tokens, and its dropout.

    Args:
        config: its config.json, if there is one.
    """
    dropout = dropout_of(config) if config else 0.0
    return TrainConfig(max(1, _FOREIGN_TOKENS // model.context_length), dropout=dropout)


def as_checkpoint(source: LanguageModel) -> Checkpoint:
    """Return a model as a checkpoint, with as much of settings and AdamW's state as it has."""
    if isinstance(source, Engine):
        state, adapter = source.optimizer_state(), source.adapter() or None
        weights, tokenizer = source.parameters(), source.tokenizer
        return Checkpoint(source.config, source.train, weights, state, tokenizer=tokenizer, adapter=adapter)
    if isinstance(source, Checkpoint):
        return source
    train = settings_without_state(require_model(source))
    return Checkpoint(source.config, train, source.state_dict(), tokenizer=model_tokenizer(source))


def whole(source: LanguageModel) -> Checkpoint:
    """Return a model as a checkpoint of whole weights: an adapter is folded into them."""
    checkpoint = as_checkpoint(source)
    return checkpoint if checkpoint.adapter is None else checkpoint.folded()
