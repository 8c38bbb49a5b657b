"""What is to be evaluated: a checkpoint folder or a gallery model, and the text that it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.checkpoints.checkpoint import load_checkpoint
from tinygpt.errors import ConfigError
from tinygpt.gallery import load_gallery_model
from tinygpt.generation.inference import LanguageModel


@dataclass(frozen=True)
class Subject:
    """A model to look at.

    Attributes:
        model: its weights.
        corpus: name of the text it was trained on; None if nobody wrote that down.
        trained_on: that text's hash.
    """

    model: LanguageModel
    corpus: str | None = None
    trained_on: str | None = None

    def corpus_name(self, asked: str) -> str:
        """The text to evaluate on: the one asked for, or the model's own.

        Raises:
            ConfigError: neither is known.
        """
        if not asked and self.corpus is None:
            raise ConfigError(
                "the checkpoint does not say what it was trained on", "a corpus", "invoke evaluate with --corpus NAME"
            )
        return asked or str(self.corpus)


def load_model(checkpoint: str, model: str) -> LanguageModel:
    """A checkpoint or a gallery model, whichever is named.

    Raises:
        ConfigError: both or neither are, or the gallery has no such model.
        CheckpointError: the files are missing or damaged.
    """
    return load_subject(checkpoint, model).model


def load_subject(checkpoint: str, model: str) -> Subject:
    """As :func:`load_model`, with the text that it was trained on.

    Raises:
        ConfigError: both or neither are named, or the gallery has no such model.
        CheckpointError: the files are missing or damaged.
    """
    if bool(checkpoint) == bool(model):
        raise ConfigError(
            "both --checkpoint and --model are given" if model else "neither --checkpoint nor --model is given",
            "one of the two",
            "invoke sample --model shakespeare, or --checkpoint DIR",
        )
    if model:
        found = load_gallery_model(model)
        return Subject(found, found.card.corpus, found.card.corpus_sha256)
    loaded = load_checkpoint(checkpoint)
    if loaded.training is None:
        return Subject(loaded)
    return Subject(loaded, loaded.training.corpus, loaded.training.corpus_sha256)
