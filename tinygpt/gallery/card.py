"""A model's card: what it was trained on, how, where, for how long, and what came out, good or bad."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError
from tinygpt.system.json_records import read_json, record_from_json

CARD_VERSION = 1
REPAIR = "git checkout -- tinygpt/gallery, or install the package again"  # of files that came with the package


@dataclass(frozen=True)
class Card:
    """A card.

    Attributes:
        version: of this record.
        name: the model's.
        corpus: what it was trained on.
        corpus_sha256: that text's hash.
        licence: of the text.
        source: of the text.
        preset: shape and batch, by name.
        model: the shape, as ``ModelConfig`` has it.
        n_parameters: numbers in it.
        engine: that trained it.
        recipe: the update rule in words.
        train: batch and optimiser settings.
        steps: updates behind the weights, which are the best of the run.
        planned_steps: updates in the whole run.
        tokens: bytes read until then.
        seed: of the starting weights and the batches.
        seconds: the whole run, with its evaluations, samples and checkpoints.
        machine: ``cpu`` and ``cores``.
        commit: of the code; null outside a checkout.
        trained_on: the day, ISO 8601.
        command: that makes it again.
        precision: ``int8`` or ``float16``.
        file_bytes: of the stored weights.
        file_sha256: their hash.
        largest_error: the largest distance of a stored weight from the trained one.
        float32_held_out_loss: of the weights as trained, nats per byte over the whole held-out text.
        evaluation: of the weights as stored, with all texts that it wrote.
        evolution: what the model wrote on its way, one entry per sample: step, seconds, losses, text.
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

    def as_json(self) -> str:
        """The card's file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def model_config(self, source: str) -> ModelConfig:
        """The shape.

        Raises:
            CheckpointError: it is none; names the source.
        """
        return record_from_json(ModelConfig, self.model, "model", source)


def read_card(path: Path) -> Card:
    """Read a card.

    Raises:
        CheckpointError: the file is missing, damaged, or of a newer version.
    """
    value = read_json(path)
    version = value.get("version")
    if version != CARD_VERSION:
        raise CheckpointError(f"{path} says version {version!r}", str(CARD_VERSION), REPAIR)
    return record_from_json(Card, value, "card", str(path))
