"""The card of a gallery model: its text, training, machine, time and results, good or bad."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.tokenizers import BYTES

CARD_VERSION = 1
REPAIR = "git checkout -- tinygpt/gallery, or install the package again"


@dataclass(frozen=True)
class Card:
    """A card.

    Attributes:
        version: version of this format.
        corpus: name of the text, with its ``corpus_sha256``, ``licence`` and ``source``.
        preset: name of shape and batch.
        model: the fields of ``ModelConfig``.
        engine: the engine that trained it.
        recipe: the update rule in words.
        train: batch and optimiser settings.
        steps: number of updates behind the weights, which are the best of the run.
        planned_steps: number of updates in the whole run.
        tokens: bytes of text read up to ``steps``.
        seed: seeds the starting weights and the batches.
        seconds: time of the whole run, with its evaluations, samples and checkpoints.
        machine: ``cpu`` and ``cores``, or the ``accelerator`` that trained it.
        commit: the code's commit; null outside a checkout.
        trained_on: the date, ISO 8601.
        command: the command that makes this model again.
        precision: ``int8`` or ``float16``.
        file_bytes: size of the stored weights, with their hash ``file_sha256``.
        largest_error: the largest distance of a stored weight from the trained one.
        float32_held_out_loss: loss of the trained weights, nats per byte over the whole held-out text.
        evaluation: evaluation of the stored weights, with all generated texts.
        evolution: samples during training, one entry each: step, seconds, losses, text.
        tokenizer: name of the tokenizer; unless it is ``bytes``, a file beside the card, with its ``tokenizer_sha256``.
    """

    version: int
    name: str
    corpus: str
    corpus_sha256: str
    licence: str
    source: str
    preset: str
    model: dict[str, Any]
    n_parameters: int
    engine: str
    recipe: str
    train: dict[str, Any]
    steps: int
    planned_steps: int
    tokens: int
    seed: int
    seconds: float
    machine: dict[str, Any]
    commit: str | None
    trained_on: str
    command: str
    precision: str
    file_bytes: int
    file_sha256: str
    largest_error: float
    float32_held_out_loss: float
    evaluation: dict[str, Any] = field(repr=False)
    evolution: tuple[dict[str, Any], ...] = field(repr=False)
    tokenizer: str = BYTES.name
    tokenizer_sha256: str | None = None

    def as_json(self) -> str:
        """Return the contents of the card's file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def computer(self) -> str:
        """The machine that trained it, in words."""
        if accelerator := self.machine.get("accelerator"):
            return str(accelerator)
        return f"{self.machine.get('cpu')}, {self.machine.get('cores')} cores"

    def model_config(self, source: str) -> ModelConfig:
        """Return the model's shape; raise a CheckpointError that names the source if it is invalid."""
        return record_from_json(ModelConfig, self.model, "model", source)


def read_card(path: Path) -> Card:
    """Read a card.

    Raises:
        CheckpointError: the file is missing, damaged, or of a newer version.
    """
    value = read_json(path)
    version = value.get("version")
    if version != CARD_VERSION:
        raise CheckpointError(f"{path} has version {version!r}", str(CARD_VERSION), REPAIR)
    return record_from_json(Card, value, "card", str(path), defaults=True)
