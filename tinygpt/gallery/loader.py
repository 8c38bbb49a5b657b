"""Gallery models from the package's own folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tinygpt.checkpoints.rounded_file import read_stored
from tinygpt.checkpoints.tokenizer_files import read_tokenizer
from tinygpt.config import ModelConfig
from tinygpt.errors import repaired_by
from tinygpt.gallery.card import CARD, MODELS, REPAIR, WEIGHTS, Card, read_card, require_file_of_card
from tinygpt.params import Arrays
from tinygpt.system.staging import current_files
from tinygpt.tokenizers import BYTES, Tokenizer
from tinygpt.tokenizers.files import TOKENIZER


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

    @property
    def stored_precision(self) -> str:
        """The precision that the weights were rounded to."""
        return self.card.precision

    def __repr__(self) -> str:
        return f"<gallery model {self.card.name}: {self.config.summary}>"


def load_gallery_model(name: str, root: Path | None = None) -> GalleryModel:
    """Load a model by name.

    Args:
        name: a name from ``gallery_names``.
        root: the folder of models; by default the package's own.

    Raises:
        ConfigError: there is no such model; the message suggests the nearest name.
        CheckpointError: its files are damaged or do not match.
    """
    root = root or MODELS
    card, folder = read_card(Card, name, root), root / name
    with repaired_by(REPAIR):
        model = card.model_config(str(folder / CARD))
        weights = read_stored(folder / WEIGHTS, model)
        require_file_of_card(folder / WEIGHTS, card.file_sha256)
        tokenizer = read_tokenizer(current_files(folder, (TOKENIZER,)), folder, model.vocab_size, card.tokenizer)
        if card.tokenizer_sha256 is not None:
            require_file_of_card(folder / TOKENIZER, card.tokenizer_sha256, tokenizer.hash)
    return GalleryModel(card, model, weights, tokenizer)
