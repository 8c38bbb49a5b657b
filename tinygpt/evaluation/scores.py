"""Evaluation of a model: losses on text that it has seen and has not seen, and properties of the texts that it writes.

The model writes from a line break with the first seeds, none left out. The result depends only on the weights, the
corpus and the settings, so it can be repeated exactly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from tinygpt.arguments import check_fields, whole_number
from tinygpt.corpora import Corpus
from tinygpt.data import Tokenizer
from tinygpt.engines import DEFAULT_ENGINE
from tinygpt.evaluation.loss import bits, sample_loss, scoring_engine, text_loss
from tinygpt.evaluation.overlap import Overlap, TextIndex
from tinygpt.evaluation.verdict import Verdict, judge
from tinygpt.evaluation.words import distinct_share, lexicon, real_share, whole_words
from tinygpt.generation.decoding import continue_prompts
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.sampling import SamplingSettings

_BITS_OF = ("train_loss", "held_out_loss")


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of the texts that the model writes.

    Attributes:
        n_texts: number of texts, with the seeds 0, 1, ….
        n_tokens: bytes of each text.
        temperature: sampling temperature.
        top_k: number of candidates per byte; None for all.

    Raises:
        ConfigError: a field is outside its range.
    """

    n_texts: int = 8
    n_tokens: int = 1000
    temperature: float = 0.8
    top_k: int | None = None

    def __post_init__(self) -> None:
        check_fields(self, whole_number, "n_texts", least=1)
        _ = self.sampling  # checks the other fields

    @property
    def sampling(self) -> SamplingSettings:
        """Settings of the first text; each further one has the next seed."""
        return SamplingSettings(self.n_tokens, self.temperature, self.top_k)


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
        real_words: share of the generated words that occur in the training text.
        held_out_real_words: the same for as many bytes of held-out text.
        words: number of generated words.
        distinct: shares of distinct words, pairs and triples among the generated ones.
        held_out_distinct: the same for as many bytes of held-out text.
        longest_copy: the longest generated substring that occurs in the training text.
        verbatim_windows: share of the generated 50-byte windows that occur in the training text.
        held_out_verbatim_windows: the same for as many bytes of held-out text.
        verdict: one word for these scores, with reasons.
        settings: settings of the texts.
        texts: the generated texts, in the order of the seeds; bytes that are not UTF-8 are U+FFFD.
    """

    corpus: str
    corpus_sha256: str
    held_out_bytes: int
    held_out_loss: float
    train_bytes: int
    train_loss: float
    real_words: float
    held_out_real_words: float
    words: int
    distinct: tuple[float, float, float]
    held_out_distinct: tuple[float, float, float]
    longest_copy: str
    verbatim_windows: float
    held_out_verbatim_windows: float
    verdict: Verdict
    settings: EvaluationSettings
    texts: tuple[str, ...] = field(repr=False)

    @property
    def gap(self) -> float:
        """Held-out loss minus training loss, nats per byte."""
        return self.held_out_loss - self.train_loss

    def as_dict(self) -> dict[str, object]:
        """Return the scores as plain values, with the gap and the losses in bits."""
        in_bits = {f"{name}_bits": bits(getattr(self, name)) for name in _BITS_OF}
        return asdict(self) | in_bits | {"gap": self.gap}

    def as_json(self) -> str:
        """Return the scores as JSON."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)


def evaluate_model(
    model: LanguageModel,
    corpus: Corpus,
    settings: EvaluationSettings | None = None,
    engine: str = DEFAULT_ENGINE,
    announce: Callable[[str], None] = lambda _text: None,
) -> Evaluation:
    """Evaluate a model on a corpus.

    Args:
        model: an engine or a loaded checkpoint.
        corpus: the corpus that it was trained on, or another one.
        settings: settings of the texts.
        engine: the engine that computes the losses.
        announce: receives a line before each part, as some take half a minute.

    Raises:
        CorpusError: a part of the corpus is shorter than two bytes.
        MissingDependencyError: the extra ``evaluate`` is not installed.
        DivergedError: the weights are not finite.
    """
    settings = settings or EvaluationSettings()
    index = TextIndex(corpus.train)  # first: a missing package is an error before minutes are spent
    announce(f"loss over the {len(corpus.held_out):,} held-out bytes, and over as many of the training text")
    scorer = scoring_engine(model, engine)
    held_out_loss = text_loss(scorer, corpus.held_out_tokens)
    size = min(len(corpus.train), len(corpus.held_out))
    train_loss = sample_loss(scorer, corpus.train_tokens, size)
    del scorer  # its workers end before the model writes

    announce(f"writing {settings.n_texts} texts, then looking for words and copies in the training text")
    known = lexicon(corpus.train)
    written = write_texts(model, settings)
    own = _measure(written, index, known)
    held_out = _measure(_pieces(corpus.held_out, settings), index, known)
    verdict = judge(
        train_loss, held_out_loss, own.real_words, own.distinct[1], held_out.distinct[1],
        own.copied.share, held_out.copied.share,
    )  # fmt: skip
    return Evaluation(
        corpus=corpus.name,
        corpus_sha256=corpus.sha256,
        held_out_bytes=len(corpus.held_out),
        held_out_loss=held_out_loss,
        train_bytes=size,
        train_loss=train_loss,
        real_words=own.real_words,
        held_out_real_words=held_out.real_words,
        words=own.words,
        distinct=own.distinct,
        held_out_distinct=held_out.distinct,
        longest_copy=_text(own.copied.longest),
        verbatim_windows=own.copied.share,
        held_out_verbatim_windows=held_out.copied.share,
        verdict=verdict,
        settings=settings,
        texts=tuple(map(_text, written)),
    )


@dataclass(frozen=True)
class _Measures:
    """Properties of some texts; see :class:`Evaluation`."""

    words: int
    real_words: float
    distinct: tuple[float, float, float]
    copied: Overlap


def _measure(texts: list[bytes], index: TextIndex, known: frozenset[str]) -> _Measures:
    words = [whole_words(_text(text)) for text in texts]
    every_word = [word for text in words for word in text]
    distinct = (distinct_share(words, 1), distinct_share(words, 2), distinct_share(words, 3))
    return _Measures(len(every_word), real_share(every_word, known), distinct, index.overlap(texts))


def write_texts(model: LanguageModel, settings: EvaluationSettings) -> list[bytes]:
    """Generate texts from a line break, with the seeds 0, 1, …, each equal to that of ``generate`` with its seed."""
    rows = [bytearray() for _ in range(settings.n_texts)]
    for column in continue_prompts(model, [""] * settings.n_texts, settings.sampling):
        for row, token in zip(rows, column.tolist(), strict=True):
            row.append(token)
    return list(map(bytes, rows))


def _pieces(text: bytes, settings: EvaluationSettings) -> list[bytes]:
    """Take evenly spread pieces of a text, as many and as long as the generated texts; fewer from a short text."""
    size = min(settings.n_tokens, len(text))
    count = min(settings.n_texts, max(1, len(text) // size))
    last = len(text) - size
    return [text[start : start + size] for start in (last * i // max(1, count - 1) for i in range(count))]


def _text(data: bytes) -> str:
    return Tokenizer.decode(Tokenizer.encode(data))
