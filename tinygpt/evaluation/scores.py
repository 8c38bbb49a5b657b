"""A model's evaluation: losses on text that it saw and text that it did not, and what its own texts are like.

Texts are written from a line break with the first seeds, none left out. Everything is a function of the weights, the
corpus and the settings, so an evaluation repeated is the same evaluation.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from tinygpt.corpora import Corpus
from tinygpt.data import Tokenizer
from tinygpt.engines import DEFAULT_ENGINE
from tinygpt.errors import ConfigError
from tinygpt.evaluation.loss import bits, sample_loss, scoring_engine, text_loss
from tinygpt.evaluation.overlap import TextIndex
from tinygpt.evaluation.verdict import Verdict, judge
from tinygpt.evaluation.words import distinct_share, lexicon, real_share, whole_words
from tinygpt.generation.decoding import continue_prompts
from tinygpt.generation.inference import LanguageModel
from tinygpt.generation.sampling import SamplingSettings

_BITS_OF = ("train_loss", "held_out_loss")


@dataclass(frozen=True)
class EvaluationSettings:
    """What the model is asked to write.

    Attributes:
        n_texts: how many texts, with the seeds 0, 1, ….
        n_tokens: bytes of each.
        temperature: sampling temperature.
        top_k: candidates kept per byte; all when None.

    Raises:
        ConfigError: a field is outside its range.
    """

    n_texts: int = 8
    n_tokens: int = 1000
    temperature: float = 0.8
    top_k: int | None = None

    def __post_init__(self) -> None:
        if self.n_texts < 1:
            raise ConfigError(f"n_texts is {self.n_texts}", "1 or more", "invoke evaluate --texts 8")
        _ = self.sampling  # which refuses what is outside its range

    @property
    def sampling(self) -> SamplingSettings:
        """How the first text is written; each further one has the next seed."""
        return SamplingSettings(self.n_tokens, self.temperature, self.top_k)


@dataclass(frozen=True)
class Evaluation:
    """Scores.

    Attributes:
        corpus: the text's name.
        corpus_sha256: its hash.
        held_out_bytes: of the whole held-out text, which was read.
        held_out_loss: nats per byte over all of it.
        train_bytes: of the sample of the training text, spread evenly; as many, or all there are.
        train_loss: nats per byte over these.
        real_words: share of the words written that the training text has.
        held_out_real_words: the same share of as many bytes of held-out text.
        words: words written.
        distinct: shares of distinct words, pairs and triples among those written.
        held_out_distinct: the same of as many bytes of held-out text.
        longest_copy: the longest stretch written that stands in the training text.
        verbatim_windows: share of the 50-byte windows written that do.
        held_out_verbatim_windows: the same of as many bytes of held-out text.
        verdict: all this in a word, with reasons.
        settings: of the texts.
        texts: what the model wrote, in the order of the seeds; bytes that are not UTF-8 are U+FFFD.
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
        """Held-out loss less training loss, nats per byte."""
        return self.held_out_loss - self.train_loss

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values, with the gap and the losses in bits."""
        in_bits = {f"{name}_bits": bits(getattr(self, name)) for name in _BITS_OF}
        return asdict(self) | in_bits | {"gap": self.gap}

    def as_json(self) -> str:
        """The same as JSON."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False)


def evaluate_model(
    model: LanguageModel,
    corpus: Corpus,
    settings: EvaluationSettings | None = None,
    engine: str = DEFAULT_ENGINE,
) -> Evaluation:
    """Evaluate a model on a corpus.

    Args:
        model: an engine or a loaded checkpoint.
        corpus: the text that it was trained on, or another one.
        settings: of the texts it is to write.
        engine: that computes the losses.

    Raises:
        CorpusError: a part of the corpus is shorter than two bytes.
        MissingDependencyError: the extra ``evaluate`` is not installed.
        DivergedError: the weights are not finite.
    """
    settings = settings or EvaluationSettings()
    index = TextIndex(corpus.train)  # first: a missing package is told before minutes are spent
    scorer = scoring_engine(model, engine)
    held_out_loss = text_loss(scorer, corpus.held_out_tokens)
    size = min(len(corpus.train), len(corpus.held_out))
    train_loss = sample_loss(scorer, corpus.train_tokens, size)
    del scorer  # its workers end before the model writes

    written = write_texts(model, settings)
    theirs = _stretches(corpus.held_out, settings)
    copied, own_copied = index.overlap(written), index.overlap(theirs)
    known = lexicon(corpus.train)
    words, own_words = ([whole_words(_text(part)) for part in parts] for parts in (written, theirs))
    every_word, every_own_word = ([word for text in texts for word in text] for texts in (words, own_words))
    distinct, own_distinct = (
        (distinct_share(w, 1), distinct_share(w, 2), distinct_share(w, 3)) for w in (words, own_words)
    )
    real = real_share(every_word, known)
    verdict = judge(train_loss, held_out_loss, real, distinct[1], own_distinct[1], copied.share, own_copied.share)
    return Evaluation(
        corpus=corpus.name,
        corpus_sha256=corpus.sha256,
        held_out_bytes=len(corpus.held_out),
        held_out_loss=held_out_loss,
        train_bytes=size,
        train_loss=train_loss,
        real_words=real,
        held_out_real_words=real_share(every_own_word, known),
        words=len(every_word),
        distinct=distinct,
        held_out_distinct=own_distinct,
        longest_copy=_text(copied.longest),
        verbatim_windows=copied.share,
        held_out_verbatim_windows=own_copied.share,
        verdict=verdict,
        settings=settings,
        texts=tuple(map(_text, written)),
    )


def write_texts(model: LanguageModel, settings: EvaluationSettings) -> list[bytes]:
    """What a model writes from a line break, with the seeds 0, 1, ….

    Each text is what :func:`tinygpt.generation.decoding.generate` gives for its seed.
    """
    columns = continue_prompts(model, [""] * settings.n_texts, settings.sampling)
    rows: list[bytearray] = [bytearray() for _ in range(settings.n_texts)]
    for column in columns:
        for row, token in zip(rows, column.tolist(), strict=True):
            row.append(token)
    return list(map(bytes, rows))


def _stretches(text: bytes, settings: EvaluationSettings) -> list[bytes]:
    """As many pieces of a text as the model writes, as long, spread evenly; fewer of a short one."""
    size = min(settings.n_tokens, len(text))
    count = min(settings.n_texts, max(1, len(text) // size))
    last = len(text) - size
    return [text[start : start + size] for start in (last * i // max(1, count - 1) for i in range(count))]


def _text(data: bytes) -> str:
    return Tokenizer.decode(Tokenizer.encode(data))
