"""The subject of an evaluation: a model, and the text that it was trained on, if that is known."""

from __future__ import annotations

from dataclasses import dataclass

from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.training_state import TrainingState
from tinygpt.corpora import CORPORA
from tinygpt.errors import ConfigError
from tinygpt.evaluation.grades import LossHistory
from tinygpt.gallery import Card, GalleryModel, load_gallery_model
from tinygpt.gallery.sources import load_adapted, load_source
from tinygpt.generation.inference import InferenceModel, LanguageModel
from tinygpt.generation.inference.model import compiled_pays
from tinygpt.rounding import FLOAT32


@dataclass(frozen=True)
class Subject:
    """A model to evaluate.

    Attributes:
        model: the model.
        corpus: name of the text that it was trained on; None if unknown.
        corpus_sha256: that text's hash.
        history: held-out losses of its run; None if unknown.
        lost: name of a file that it was trained on, whose folder is unknown.
    """

    model: LanguageModel
    corpus: str | None = None
    corpus_sha256: str | None = None
    history: LossHistory | None = None
    lost: str | None = None

    def corpus_name(self, requested: str) -> str:
        """Return the requested corpus, or else the model's own; raise a ConfigError if there is neither."""
        if not requested and self.corpus is None:
            problem, example = "the checkpoint does not say what it was trained on", "NAME"
            if self.lost is not None:
                problem, example = f"the model was trained on {self.lost}, in a folder that is not known", "file:PATH"
            raise ConfigError(problem, "a corpus to measure on", f"the same command with --corpus {example}")
        return requested or str(self.corpus)


def load_model(checkpoint: str, model: str, adapter: str = "") -> LanguageModel:
    """Load a model; arguments and errors are those of :func:`load_subject`."""
    return load_subject(checkpoint, model, adapter).model


def reader(model: LanguageModel, n_tokens: int, precision: str) -> InferenceModel:
    """Return a model to generate with at a precision; without one, at that of its file if its codes are read faster.

    A checkpoint gives its weights away, and is empty afterwards: a large one is not in memory twice.

    Raises:
        ConfigError: the precision is unknown.
        MissingDependencyError: it needs the compiled loop, which is not installed.
    """
    stored = getattr(model, "quantization", None)
    if not precision and stored is not None and compiled_pays(model.config, n_tokens):
        precision = stored.precision
    source = model.read_once() if isinstance(model, Checkpoint) else model
    return InferenceModel(source, precision=precision or FLOAT32)


def load_subject(checkpoint: str, model: str, adapter: str = "") -> Subject:
    """Load a model, with the name and hash of its text.

    Args:
        checkpoint: a name as for :func:`tinygpt.gallery.sources.load_source`.
        model: a name of the gallery.
        adapter: the folder of a LoRA adapter, or one of the gallery, on that model or on the base that it names.

    Raises:
        ConfigError: both or none are given, or the gallery has no such model.
        CheckpointError: there is no such model, or its files are damaged.
        MissingDependencyError: it is a model of the hub, and the extra ``hub`` is not installed.
    """
    if (checkpoint and model) or not (checkpoint or model or adapter):
        problem = "both --checkpoint and --model are given" if model else "neither --checkpoint nor --model is given"
        raise ConfigError(problem, "one of the two", "the same command with --model shakespeare, or --checkpoint DIR")
    if adapter:
        loaded: Checkpoint | GalleryModel = load_adapted(adapter, checkpoint or model)
    else:
        loaded = load_gallery_model(model) if model else load_source(checkpoint)
    if isinstance(loaded, GalleryModel):
        card = loaded.card
        return Subject(loaded, card.corpus, card.corpus_sha256, card_history(card))
    training = loaded.training
    if training is None:
        stored = loaded.quantization
        if stored is None:
            return Subject(loaded)
        if stored.corpus not in CORPORA:  # a file of the user's is named without its folder
            return Subject(loaded, lost=stored.corpus)
        return Subject(loaded, stored.corpus, stored.corpus_sha256)
    return Subject(loaded, training.corpus, training.corpus_sha256, run_history(training))


def run_history(training: TrainingState | None) -> LossHistory | None:
    """Return the held-out losses of a run, if its state has any."""
    if training is None or training.held_out_loss is None or training.best_held_out_loss is None:
        return None
    return LossHistory(training.best_held_out_loss, training.held_out_loss)


def card_history(card: Card) -> LossHistory | None:
    """Return the held-out losses of a gallery model's run up to its weights, from the samples on its card."""
    losses = [
        float(sample["held_out_loss"])
        for sample in card.evolution
        if sample["step"] <= card.steps and sample.get("held_out_loss") is not None
    ]
    return LossHistory(min(losses), losses[-1]) if losses else None
