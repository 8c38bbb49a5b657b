"""Gallery models from the package's own folder: ``models/NAME/card.json`` and ``weights.safetensors``.

Unless a model's tokens are bytes, ``tokenizer.json`` is beside them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tinygpt.checkpoints.rounded_file import read_stored
from tinygpt.checkpoints.tokenizer_files import read_tokenizer
from tinygpt.config import ModelConfig
from tinygpt.errors import CheckpointError, unknown_name
from tinygpt.gallery.card import REPAIR, Card, read_card
from tinygpt.params import Arrays
from tinygpt.system.staging import current_files
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.tokenizers.files import TOKENIZER

MODELS = Path(__file__).parent / "models"
CARD, WEIGHTS = "card.json", "weights.safetensors"


@dataclass(frozen=True)
class GalleryModel:
    """A model with its card and weights (name → float32 array), for :func:`tinygpt.generation.decoding.generate`."""

    card: Card
    config: ModelConfig
    weights: Arrays
    tokenizer: Tokenizer = BYTES

    def state_dict(self) -> Arrays:
        """Copy the weights."""
        return {name: array.copy() for name, array in self.weights.items()}

    def __repr__(self) -> str:
        return f"<gallery model {self.card.name}: {self.config.summary}>"


def gallery_names(root: Path | None = None) -> tuple[str, ...]:
    """List the models in alphabetical order."""
    return tuple(sorted(path.parent.name for path in (root or MODELS).glob(f"*/{CARD}")))


def load_gallery_model(name: str, root: Path | None = None) -> GalleryModel:
    """Load a model by name.

    Args:
        name: a name from ``gallery_names``.
        root: the folder of models; by default the package's own.

    Raises:
        ConfigError: there is no such model; the message suggests the nearest name.
        CheckpointError: its files are damaged or do not match.
    """
    names = gallery_names(root)
    if name not in names:
        raise unknown_name("gallery model", name, names or ("none yet",))
    folder = (root or MODELS) / name
    card = read_card(folder / CARD)
    model = card.model_config(str(folder / CARD))
    weights = read_stored(folder / WEIGHTS, model, REPAIR)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    if digest != card.file_sha256:
        problem = f"{folder / WEIGHTS} is not the file of its card"
        raise CheckpointError(problem, f"SHA-256 {card.file_sha256[:12]}…, found {digest[:12]}…", REPAIR)
    tokenizer = read_tokenizer(current_files(folder, (TOKENIZER,)), folder, model.vocab_size, card.tokenizer)
    wanted = card.tokenizer_sha256
    if wanted is not None and wanted != tokenizer.hash:
        problem = f"{folder / TOKENIZER} is not the file of its card"
        raise CheckpointError(problem, f"SHA-256 {wanted[:12]}…, found {tokenizer.hash[:12]}…", REPAIR)
    return GalleryModel(card, model, weights, tokenizer)
