"""Evaluation of a model: losses on text that it has seen and has not seen, measures of what it writes, and a grade.

    corpus ─► ladder of counting models, held-out pieces, scrambled pieces
    model  ─► losses, swap probe, loss by position; texts at temperature 1 ─► words, pairs, triples, copies
    both   ─► grade and flag

The model writes from a line break with the first seeds, none left out. The result depends only on the weights, the
corpus and the settings, so it can be repeated exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from tinygpt.arguments import check_fields, whole_number
from tinygpt.corpora import Corpus
from tinygpt.corpora.token_files import corpus_tokens
from tinygpt.engines import DEFAULT_ENGINE, Engine
from tinygpt.errors import CorpusError
from tinygpt.evaluation.counted_swaps import counted_swaps
from tinygpt.evaluation.grades import Judgement, LossHistory, ModelMeasures, judge
from tinygpt.evaluation.ladder import Rung, Standing, corpus_ladder, parts_of, standing
from tinygpt.evaluation.loss import bits, byte_losses, sample_loss, scoring_engine
from tinygpt.evaluation.measures import Author, TextMeasures
from tinygpt.evaluation.positions import PositionLosses, loss_by_position
from tinygpt.evaluation.swaps import SwapResult, swap_probe
from tinygpt.generation.decoding import continue_prompts
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.inference.model import model_tokenizer
from tinygpt.generation.sampling import SamplingSettings
from tinygpt.tokenizers import as_text

_BITS_OF = ("train_loss", "held_out_loss")
_MOST_TRAINING_BYTES = 50_000  # of the training text, for the loss on text that was seen


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of the texts that the model writes.

    Attributes:
        n_texts: number of texts, with the seeds 0, 1, ….
        n_tokens: bytes of each text.
        temperature: sampling temperature of the shown texts; texts are judged at 1, which is the model's own.
        top_k: number of candidates per byte of the shown texts; None for all.

    Raises:
        ConfigError: a field is outside its range.
    """

    n_texts: int = 8
    n_tokens: int = 1000
    temperature: float = 1.0
    top_k: int | None = None

    def __post_init__(self) -> None:
        check_fields(self, whole_number, "n_texts", least=1)
        _ = self.sampling  # checks the other fields

    @property
    def sampling(self) -> SamplingSettings:
        """Settings of the first text; each further one has the next seed."""
        return SamplingSettings(self.n_tokens, self.temperature, self.top_k)

    @property
    def judged(self) -> EvaluationSettings:
        """The settings of the texts that are judged."""
        return replace(self, temperature=1.0, top_k=None)


@dataclass(frozen=True)
class Evaluation:
    """Scores.

    Attributes:
        corpus: the corpus's name.
        corpus_sha256: its hash.
        held_out_bytes: size of the held-out text, all of which is scored.
        held_out_loss: nats per byte over all of it.
        train_bytes: size of an evenly spread sample of the training text, at most that of the held-out text.
        train_loss: nats per byte over that sample.
        ladder: the counting models of the same text.
        standing: of the held-out loss among them.
        measures: of the texts at temperature 1, beside the author's.
        swaps: outcome of the swap probe; None if the held-out text has no two adjacent words of equal length.
        counted_swaps: the same of the best counting model.
        positions: losses by the length of the context; None if the held-out text is too short.
        history: lowest and newest held-out loss of the model's own run; None if it is not known.
        judgement: grade and flag, with reasons.
        settings: settings of the texts.
        texts: the generated texts, in the order of the seeds; bytes that are not UTF-8 are U+FFFD.
        bytes_per_token: mean over the held-out text; 1 for a model of bytes.
    """

    corpus: str
    corpus_sha256: str
    held_out_bytes: int
    held_out_loss: float
    train_bytes: int
    train_loss: float
    ladder: tuple[Rung, ...]
    standing: Standing
    measures: TextMeasures
    swaps: SwapResult | None
    counted_swaps: SwapResult | None
    positions: PositionLosses | None
    history: LossHistory | None
    judgement: Judgement
    settings: EvaluationSettings
    texts: tuple[str, ...] = field(repr=False)
    bytes_per_token: float = 1.0

    @property
    def gap(self) -> float:
        """Held-out loss minus training loss, nats per byte."""
        return self.held_out_loss - self.train_loss

    @property
    def held_out_loss_per_token(self) -> float:
        """Nats per token of the model's own tokenizer, which no other tokenizer's can be compared with."""
        return self.held_out_loss * self.bytes_per_token

    def as_dict(self) -> dict[str, object]:
        """Return the scores as plain values, with the gap and the losses in bits."""
        in_bits = {f"{name}_bits": bits(getattr(self, name)) for name in _BITS_OF}
        own = {
            "gap": self.gap,
            "held_out_loss_per_token": self.held_out_loss_per_token,
            "standing_text": str(self.standing),
        }
        p = self.positions
        context = {"used_context": p.used, "used_context_between": p.used_between} if p else {}
        return asdict(self) | in_bits | context | own

    def as_json(self) -> str:
        """Return the scores as JSON."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)


def evaluate_model(
    model: LanguageModel,
    corpus: Corpus,
    settings: EvaluationSettings | None = None,
    engine: str = DEFAULT_ENGINE,
    announce: Callable[[str], None] = lambda _text: None,
    history: LossHistory | None = None,
) -> Evaluation:
    """Evaluate a model on a corpus.

    Args:
        model: an engine or a loaded checkpoint.
        corpus: the corpus that it was trained on, or another one.
        settings: settings of the texts.
        engine: the engine that computes the losses.
        announce: receives a line before each part, as some take several seconds.
        history: held-out losses of the model's own run, if they are known.

    Raises:
        CorpusError: a part of the corpus is too short: of the held-out text two bytes, of the training text eight.
        MissingDependencyError: the extra ``evaluate`` is not installed.
        DivergedError: the weights are not finite.
    """
    settings = settings or EvaluationSettings()
    corpus = corpus.in_memory()
    # First: a missing package is an error before minutes are spent.
    author = Author(corpus, settings.n_texts, settings.n_tokens)
    announce("counting models of the text; a second evaluation on it reads them from the cache")
    ladder = corpus_ladder(corpus)
    announce(f"loss over the {len(corpus.held_out):,} held-out bytes, swapped words, and loss by position")
    scorer = scoring_engine(model, engine)
    tokens = corpus_tokens(corpus, scorer.tokenizer)
    losses = byte_losses(scorer, tokens.held_out)
    size = min(len(corpus.train), len(corpus.held_out), _MOST_TRAINING_BYTES)
    train_loss = sample_loss(scorer, tokens.train, size)
    swaps, positions = _swaps(scorer, corpus), _positions(scorer, tokens.held_out)
    del scorer  # its workers end before the model writes
    place = standing(float(losses.mean()), parts_of(losses), ladder)
    counted = counted_swaps(corpus, place.best.order) if swaps else None

    announce(f"writing {settings.n_texts} texts, then looking for words and copies in the training text")
    judged = write_texts(model, settings.judged)
    shown = judged if settings == settings.judged else write_texts(model, settings)
    measures = author.measure(judged)
    context = positions.used if positions else None
    return Evaluation(
        corpus=corpus.name,
        corpus_sha256=corpus.sha256,
        held_out_bytes=len(corpus.held_out),
        held_out_loss=place.nats,
        train_bytes=size,
        train_loss=train_loss,
        ladder=ladder.rungs,
        standing=place,
        measures=measures,
        swaps=swaps,
        counted_swaps=counted,
        positions=positions,
        history=history,
        judgement=judge(measures, ModelMeasures(place, context, history)),
        settings=settings,
        texts=tuple(map(as_text, shown)),
        bytes_per_token=len(corpus.held_out) / len(tokens.held_out),
    )


def _swaps(scorer: Engine, corpus: Corpus) -> SwapResult | None:
    try:
        return swap_probe(scorer, corpus.held_out)
    except CorpusError:  # no two adjacent words of equal length
        return None


def _positions(scorer: Engine, held_out: np.ndarray) -> PositionLosses | None:
    try:
        return loss_by_position(scorer, held_out)
    except CorpusError:  # a text of a few contexts
        return None


def write_texts(model: LanguageModel, settings: EvaluationSettings) -> list[bytes]:
    """Generate texts from a line break, with the seeds 0, 1, …, each equal to that of ``generate`` with its seed."""
    pieces, rows = model_tokenizer(model).pieces, [bytearray() for _ in range(settings.n_texts)]
    for column in continue_prompts(model, [""] * settings.n_texts, settings.sampling):
        for row, token in zip(rows, column.tolist(), strict=True):
            row += pieces[token]
        if min(map(len, rows)) >= settings.n_tokens:
            break
    return [bytes(row[: settings.n_tokens]) for row in rows]
