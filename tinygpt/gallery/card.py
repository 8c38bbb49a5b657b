"""The cards of the gallery: how a model or an adapter was trained, on which machine, in what time, with which results.

    models/NAME/      card.json, weights.safetensors, and unless its tokens are bytes, tokenizer.json
    adapters/NAME/    card.json, adapter_model.safetensors, adapter_config.json, as PEFT has them

An adapter makes a model of the gallery write another genre; its name is BASE-TEXT.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tinygpt.checkpoints.layout import ADAPTER, ADAPTER_CONFIG
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, repaired_by, unknown_name
from tinygpt.system.json_records import read_json, record_from_json
from tinygpt.tokenizers import BYTES
from tinygpt.tokenizers.files import TOKENIZER

MODELS, ADAPTERS = Path(__file__).parent / "models", Path(__file__).parent / "adapters"
CARD, WEIGHTS = "card.json", "weights.safetensors"
CARD_VERSION = 1
REPAIR = "git checkout -- tinygpt/gallery, or install the package again"


@dataclass(frozen=True, kw_only=True)
class TrainedCard:
    """The part that all cards have in common.

    Attributes:
        TITLE: of its kind, in messages.
        FILES: names of the files beside it; the first holds the tensors.
        version: version of this format.
        corpus: name of the text, with its ``corpus_sha256``, ``licence`` and ``source``.
        n_parameters: numbers that were trained.
        engine: the engine that trained it.
        recipe: the update rule in words.
        train: batch and optimiser settings.
        steps: number of updates behind the tensors, which are the best of the run.
        tokens: bytes of text read up to ``steps``.
        seed: seeds the starting weights and the batches.
        seconds: time of the whole run, with its evaluations, samples and checkpoints.
        machine: ``cpu`` and ``cores``, or the ``accelerator`` that trained it.
        commit: the code's commit; null outside a checkout.
        trained_on: the date, ISO 8601.
        command: the command that makes the same again.
        file_bytes: size of the tensors' file, with its hash ``file_sha256``.
    """

    TITLE: ClassVar[str]
    FILES: ClassVar[tuple[str, ...]]

    version: int
    name: str
    corpus: str
    corpus_sha256: str
    licence: str
    source: str
    n_parameters: int
    engine: str
    recipe: str
    train: dict[str, Any]
    steps: int
    tokens: int
    seed: int
    seconds: float
    machine: dict[str, Any]
    commit: str | None
    trained_on: str
    command: str
    file_bytes: int
    file_sha256: str

    def as_json(self) -> str:
        """Return the contents of the card's file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def computer(self) -> str:
        """The machine that trained it, in words."""
        if accelerator := self.machine.get("accelerator"):
            return str(accelerator)
        return f"{self.machine.get('cpu')}, {self.machine.get('cores')} cores"


@dataclass(frozen=True, kw_only=True)
class Card(TrainedCard):
    """The card of a model.

    Attributes:
        preset: name of shape and batch.
        model: the fields of ``ModelConfig``.
        planned_steps: number of updates in the whole run.
        precision: ``int8`` or ``float16``.
        largest_error: the largest distance of a stored weight from the trained one.
        float32_held_out_loss: loss of the trained weights, nats per byte over the whole held-out text.
        evaluation: evaluation of the stored weights, with all generated texts.
        evolution: samples during training, one entry each: step, seconds, losses, text.
        tokenizer: name of the tokenizer; unless it is ``bytes``, a file beside the card, with its ``tokenizer_sha256``.
    """

    TITLE = "gallery model"
    FILES = (WEIGHTS, TOKENIZER)

    preset: str
    model: dict[str, Any]
    planned_steps: int
    precision: str
    largest_error: float
    float32_held_out_loss: float
    evaluation: dict[str, Any] = field(repr=False)
    evolution: tuple[dict[str, Any], ...] = field(repr=False)
    tokenizer: str = BYTES.name
    tokenizer_sha256: str | None = None

    def model_config(self, source: str) -> ModelConfig:
        """Return the model's shape; raise a CheckpointError that names the source if it is invalid."""
        return record_from_json(ModelConfig, self.model, "model", source)


@dataclass(frozen=True, kw_only=True)
class AdapterCard(TrainedCard):
    """The card of an adapter.

    Attributes:
        base: the model of the gallery that it changes, with the SHA-256 of its weights, ``base_sha256``.
        lora: the adapter's settings, as ``--lora`` takes them.
        loss_before: of the base on the new text, nats per byte over the whole held-out part.
        loss_after: the same with the adapter.
        prompt: the beginning of both texts.
        text_before: what the base writes, with seed 0.
        text_after: what it writes with the adapter, with the same seed.
    """

    TITLE = "gallery adapter"
    FILES = (ADAPTER, ADAPTER_CONFIG)

    base: str
    base_sha256: str
    lora: str
    loss_before: float
    loss_after: float
    prompt: str
    text_before: str = field(repr=False)
    text_after: str = field(repr=False)


AnyCard = TypeVar("AnyCard", bound=TrainedCard)


def gallery_names(root: Path | None = None) -> tuple[str, ...]:
    """List the models in alphabetical order; of another folder, what has a card there."""
    return tuple(sorted(path.parent.name for path in (root or MODELS).glob(f"*/{CARD}")))


def gallery_adapters() -> tuple[str, ...]:
    """List the adapters in alphabetical order."""
    return gallery_names(ADAPTERS)


def read_card(kind: type[AnyCard], name: str, root: Path) -> AnyCard:
    """Read a card by its name.

    Args:
        kind: of a model or of an adapter.
        name: the folder's.
        root: the folder of such folders.

    Raises:
        ConfigError: there is none of this name; the message suggests the nearest one.
        CheckpointError: the file is damaged, or of a newer version.
    """
    names = gallery_names(root)
    if name not in names:
        raise unknown_name(kind.TITLE, name, names or ("none yet",))
    path = root / name / CARD
    with repaired_by(REPAIR):
        value = read_json(path)
        if (version := value.get("version")) != CARD_VERSION:
            raise CheckpointError(f"{path} has version {version!r}", str(CARD_VERSION))
        return record_from_json(kind, value, "card", str(path), defaults=True)


def require_file_of_card(path: Path, expected: str, found: str | None = None) -> None:
    """Raise a CheckpointError if a file beside a card is not the one that the card was written with.

    Args:
        path: the file.
        expected: the hash on the card.
        found: the hash that is compared; by default the SHA-256 of the file's bytes.
    """
    found = found or hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        allowed = f"SHA-256 {expected[:12]}…, found {found[:12]}…"
        raise CheckpointError(f"{path} is not the file of its card", allowed, REPAIR)
