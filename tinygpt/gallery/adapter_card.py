"""Adapters of the gallery: each makes a model of the gallery write another genre.

    adapters/NAME/card.json, adapter_config.json, adapter_model.safetensors        NAME is BASE-TEXT

The last two files are PEFT's (``tinygpt/checkpoints/adapter_files.py``); their base is a model's name.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinygpt.checkpoints.layout import ADAPTER
from tinygpt.errors import CheckpointError, unknown_name
from tinygpt.gallery.card import REPAIR
from tinygpt.system.json_records import read_json, record_from_json

ADAPTERS = Path(__file__).parent / "adapters"
CARD = "card.json"
ADAPTER_CARD_VERSION = 1


@dataclass(frozen=True)
class AdapterCard:
    """The card of an adapter.

    Attributes:
        version: version of this format.
        base: the model of the gallery that it changes, with the SHA-256 of its weights, ``base_sha256``.
        corpus: name of the new text, with its ``corpus_sha256``, ``licence`` and ``source``.
        lora: the adapter's settings, as ``--lora`` takes them.
        n_parameters: numbers in the adapter.
        engine: the engine that trained it.
        recipe: the update rule in words.
        steps: number of updates behind the adapter, which is the best of the run.
        tokens: bytes read up to ``steps``.
        seconds: time of the whole run, with its evaluations, samples and checkpoints.
        machine: ``cpu`` and ``cores``.
        commit: the code's commit; null outside a checkout.
        trained_on: the date, ISO 8601.
        command: the command that makes this adapter again.
        file_bytes: size of the adapter's tensors, with their hash ``file_sha256``.
        loss_before: of the base on the new text, nats per byte over the whole held-out part.
        loss_after: the same with the adapter.
        prompt: the beginning of both texts.
        text_before: what the base writes, with seed 0.
        text_after: what it writes with the adapter, with the same seed.
    """

    version: int
    name: str
    base: str
    base_sha256: str
    corpus: str
    corpus_sha256: str
    licence: str
    source: str
    lora: str
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
    loss_before: float
    loss_after: float
    prompt: str
    text_before: str = field(repr=False)
    text_after: str = field(repr=False)

    def as_json(self) -> str:
        """Return the contents of the card's file."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def gallery_adapters(root: Path = ADAPTERS) -> tuple[str, ...]:
    """List the adapters in alphabetical order."""
    return tuple(sorted(path.parent.name for path in root.glob(f"*/{CARD}")))


def read_adapter_card(name: str, root: Path = ADAPTERS) -> AdapterCard:
    """Read an adapter's card, and check that its tensors are those of the card.

    Raises:
        ConfigError: there is no such adapter; the message suggests the nearest name.
        CheckpointError: the card is missing or damaged, or the tensors are others.
    """
    if name not in gallery_adapters(root):
        raise unknown_name("gallery adapter", name, gallery_adapters(root) or ("none yet",))
    path = root / name / CARD
    value = read_json(path)
    if value.get("version") != ADAPTER_CARD_VERSION:
        raise CheckpointError(f"{path} has version {value.get('version')!r}", str(ADAPTER_CARD_VERSION), REPAIR)
    card = record_from_json(AdapterCard, value, "card", str(path))
    digest = hashlib.sha256((root / name / ADAPTER).read_bytes()).hexdigest()
    if digest != card.file_sha256:
        problem = f"{root / name / ADAPTER} is not the file of its card"
        raise CheckpointError(problem, f"SHA-256 {card.file_sha256[:12]}…, found {digest[:12]}…", REPAIR)
    return card
