"""The conditions of a measurement, as an object with a hash: rows of different protocols are never compared.

A benchmark is easy to skew unnoticed: fewer steps to get past a crash, another batch, another text. So every
setting that changes what a number means is a field here. The record's canonical JSON (sorted keys, no spaces) and
its SHA-256 are stored in every row, and joining rows of different hashes is refused with the fields that differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from tinygpt.config import ModelConfig, TrainConfig
from tinygpt.errors import ResultsError
from tinygpt.presets import PRESETS
from tinygpt.schedule import optimizer_text
from tinygpt.tokenizers import BYTES, Tokenizer

_MODEL_FIELDS = ("n_layers", "d_model", "n_heads", "context_length", "vocab_size")
_TRAIN_FIELDS = ("batch_size", "learning_rate", "betas", "eps", "weight_decay", "grad_clip")
_TOKENIZER = "tokenizer_sha256"

# Always these: no suite, option or environment changes them.
WARMUP_STEPS = 3
MEASURED_STEPS = 15

# Generation likewise: whole texts of so many tokens.
TEXT_TOKENS = 256
WARMUP_TEXTS = 1
MEASURED_TEXTS = 5

# Version 2 added the probe.
_INTERLEAVED: Mapping[str, Any] = MappingProxyType(
    {
        "order": "rounds interleaved across engines, A B B A; a probe before each cell and after each block of steps",
        "version": 2,
    }
)


def canonical_json(record: dict[str, Any]) -> str:
    """A flat record as JSON with sorted keys and no spaces; NaN is refused."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def sha256_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@dataclass(frozen=True)
class HashedRecord:
    """A flat record that rows store as text."""

    @property
    def canonical_json(self) -> str:
        """The record as text that is the same on every machine."""
        return canonical_json(asdict(self))

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return sha256_text(self.canonical_json)


@dataclass(frozen=True)
class Protocol(HashedRecord):
    """One way of measuring one preset.

    Attributes:
        preset: name of the model shape, spelled out in the next five fields.
        batch_size: sequences per step.
        warmup_steps: steps taken before the measured ones, stored and marked.
        measured_steps: steps that count.
        rounds: fresh processes per engine that the suite plans; the page shows how many were used.
        order: how the rounds of different engines follow each other.
        threads: how the thread count is set.
        dtype: of weights and arithmetic.
        corpus: the text's name.
        corpus_sha256: its hash.
        seed: of the starting weights and the batches.
        optimizer: update rule, with whatever a training recipe adds to it; its settings follow.
        tokenizer_sha256: hash of the tokenizer; None, and not in the JSON, for bytes.
        version: of this record's meaning.
    """

    preset: str
    n_layers: int
    d_model: int
    n_heads: int
    context_length: int
    vocab_size: int
    batch_size: int
    warmup_steps: int
    measured_steps: int
    rounds: int
    order: str
    threads: str
    dtype: str
    corpus: str
    corpus_sha256: str
    seed: int
    optimizer: str
    learning_rate: float
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    grad_clip: float
    version: int = 1
    tokenizer_sha256: str | None = None

    @property
    def canonical_json(self) -> str:
        """The record as text; rows of bytes are older than other tokenizers and keep the text that they had."""
        return canonical_json({name: value for name, value in asdict(self).items() if name != _TOKENIZER or value})

    @property
    def total_steps(self) -> int:
        """Warm-up and measured steps together."""
        return self.warmup_steps + self.measured_steps

    @property
    def block_steps(self) -> int:
        """Steps between two probes: as many as there are warm-ups."""
        return self.warmup_steps

    @property
    def model(self) -> ModelConfig:
        """The shape."""
        return ModelConfig(**{name: getattr(self, name) for name in _MODEL_FIELDS})

    @property
    def train(self) -> TrainConfig:
        """Batch and AdamW's settings; a recipe's additions are described in ``optimizer``."""
        return TrainConfig(**{name: getattr(self, name) for name in _TRAIN_FIELDS})


def _protocol(preset: str, train: TrainConfig, corpus: str, corpus_sha256: str, seed: int, **counts: Any) -> Protocol:
    entry = PRESETS[preset]
    return Protocol(
        preset=entry.name,
        **{name: getattr(entry.model, name) for name in _MODEL_FIELDS},
        **{name: getattr(train, name) for name in _TRAIN_FIELDS},
        threads="all that the process may use, unless the engine's variant says otherwise",
        dtype="float32",
        corpus=corpus,
        corpus_sha256=corpus_sha256,
        seed=seed,
        optimizer=optimizer_text(train),
        **counts,
    )


def benchmark_protocol(preset: str, corpus: str, corpus_sha256: str, seed: int, rounds: int) -> Protocol:
    """The protocol of a benchmark cell: the preset's batch and optimiser, fixed step counts.

    Raises:
        ConfigError: there is no such preset.
    """
    counts = {"warmup_steps": WARMUP_STEPS, "measured_steps": MEASURED_STEPS, "rounds": rounds}
    return _protocol(preset, PRESETS[preset].train, corpus, corpus_sha256, seed, **counts, **_INTERLEAVED)


def generation_protocol(preset: str, corpus: str, corpus_sha256: str, seed: int, rounds: int) -> Protocol:
    """The protocol of a generation cell: a step is one whole text, greedy, from one prompt; nothing is trained.

    Raises:
        ConfigError: there is no such preset.
    """
    return replace(
        benchmark_protocol(preset, corpus, corpus_sha256, seed, rounds),
        batch_size=1,
        warmup_steps=WARMUP_TEXTS,
        measured_steps=MEASURED_TEXTS,
        optimizer=f"none: {TEXT_TOKENS} greedy tokens after a prompt of one, key-value cache, "
        "full windows re-read from their last half",
    )


def token_protocol(preset: str, corpus: str, corpus_sha256: str, seed: int, rounds: int) -> Protocol:
    """The protocol of a token's products: a step is one pass over them; nothing is trained.

    Raises:
        ConfigError: there is no such preset.
    """
    optimizer = "none: the products of one token, starting weights"
    protocol = benchmark_protocol(preset, corpus, corpus_sha256, seed, rounds)
    return replace(protocol, batch_size=1, threads="one", dtype="that of the variant", optimizer=optimizer)


def training_protocol(
    preset: str,
    train: TrainConfig,
    corpus: str,
    corpus_sha256: str,
    seed: int,
    steps: int,
    minutes: float | None = None,
    tokenizer: Tokenizer = BYTES,
) -> Protocol:
    """The protocol of a recorded training run: every step counts, one round.

    With ``minutes``, the run ends by the clock, and ``steps`` is what was planned at its start.
    """
    counts = {"warmup_steps": 0, "measured_steps": steps, "rounds": 1, "order": "a single training run"}
    protocol = _protocol(preset, train, corpus, corpus_sha256, seed, **counts)
    own = None if tokenizer is BYTES else tokenizer.hash
    text = optimizer_text(train, minutes)
    return replace(protocol, optimizer=text, vocab_size=tokenizer.vocab_size, tokenizer_sha256=own)


def protocol_from_json(text: str) -> Protocol:
    """Read a row's protocol back.

    Raises:
        ResultsError: the text is not a protocol of this version.
    """
    try:
        record = json.loads(text)
        names = {field.name for field in fields(Protocol)}
        if not isinstance(record, dict) or set(record) | {_TOKENIZER} != names:
            raise ValueError
        return Protocol(**{**record, "betas": tuple(record["betas"])})
    except (ValueError, TypeError) as error:
        raise ResultsError(
            f"a row's protocol cannot be read: {text[:60]!r}", "a protocol of version 1 or 2", "invoke results show"
        ) from error


def reads_bytes(record: Mapping[str, Any]) -> bool:
    """True for the protocol, as parsed JSON, of a model of bytes; as many tokens of others are more text."""
    return not record.get(_TOKENIZER)


def difference(a: dict[str, Any], b: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The fields in which two records (protocols or machines, as parsed JSON) differ: (name, in a, in b)."""
    absent = "(absent)"
    return [
        (name, a.get(name, absent), b.get(name, absent))
        for name in sorted(set(a) | set(b))
        if a.get(name, absent) != b.get(name, absent)
    ]


def require_same(kind: str, a_json: str, b_json: str) -> None:
    """Refuse to join two rows whose protocol or machine differ.

    Raises:
        ResultsError: naming every field that differs, with both values.
    """
    if a_json == b_json:
        return
    fields_text = ", ".join(
        f"{name} {left!r} against {right!r}" for name, left, right in difference(json.loads(a_json), json.loads(b_json))
    )
    raise ResultsError(
        f"these rows have different {kind}s: {fields_text}",
        f"rows of one {kind}",
        "invoke bench, to measure both sides in one run",
    )
