"""The names of tokenizers: ``bytes``, ``bpe:N``, ``gpt2``, and the path of a tokenizer.json or of a folder with one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tinygpt.arguments import instance
from tinygpt.errors import CheckpointError, ConfigError, unknown_name
from tinygpt.system.home import expand_home
from tinygpt.system.hub import SHORT_NAMES, cached_file, fetch
from tinygpt.tokenizers.byte_tokenizer import BYTES
from tinygpt.tokenizers.files import TOKENIZER, TOKENIZER_FILES, read_content
from tinygpt.tokenizers.json_tokenizer import library, tokenizer_of
from tinygpt.tokenizers.tokenizer import Tokenizer
from tinygpt.tokenizers.training import FEWEST, MOST, cached_bpe

_GPT2_TOKENS = 50_257
_FILES, _RUN = f"a {TOKENIZER}, or a folder with one", "invoke train --tokenizer PATH"


class TrainingText(Protocol):
    """A corpus, as far as a tokenizer needs it."""

    @property
    def train(self) -> bytes:
        """The training part."""

    @property
    def sha256(self) -> str:
        """The corpus's hash."""


@dataclass(frozen=True)
class _Kind:
    """A form of names.

    Attributes:
        pattern: of the whole name.
        shown: the name, in messages.
        vocab_size: name → number of tokens to plan with, without reading a text.
        load: makes the tokenizer of a name.
    """

    pattern: str
    shown: str
    vocab_size: Callable[[str], int]
    load: Callable[[str, TrainingText | None], Tokenizer]


def load_tokenizer(name: str, corpus: TrainingText | None = None) -> Tokenizer:
    """Return a tokenizer by its name.

    Args:
        name: ``bytes``, ``bpe:N``, ``gpt2``, or the path of a tokenizer.json or of a folder with one.
        corpus: the text whose training part ``bpe:N`` is trained on.

    Raises:
        ConfigError: the name is unknown, a size is out of range, a file is no byte-level BPE, or GPT-2's tokenizer is
            neither in the hub's cache nor can be fetched.
        MissingDependencyError: the package ``tokenizers`` is not installed, and the name needs it.
    """
    return _kind(name).load(name, corpus)


def expected_vocab_size(name: str) -> int:
    """Return the number of tokens to plan memory with; errors are those of :func:`load_tokenizer`."""
    return _kind(name).vocab_size(name)


def vocabulary_note(tokenizer: Tokenizer) -> str | None:
    """Return the note that a text had fewer pairs than ``bpe:N`` asks for, or None."""
    asked = re.fullmatch(r"bpe:([0-9]{1,9})", tokenizer.name)
    if asked is None or tokenizer.vocab_size >= int(asked[1]):
        return None
    return (
        f"{tokenizer.name} has only {tokenizer.vocab_size:,} tokens here, because no other pair occurs twice in the "
        "training part. Checkpoints and rows record this number, and the tokenizer's hash."
    )


def absolute_tokenizer(name: str) -> str:
    """Return the name of the same tokenizer as seen from any folder: a path becomes absolute.

    Raises:
        ConfigError: the name is unknown, or a size is out of range.
    """
    return str(expand_home(name).absolute()) if _kind(name) is _FILE else name


def _kind(name: str) -> _Kind:
    instance("the tokenizer", name, str, ", ".join(kind.shown for kind in _KINDS))
    for kind in _KINDS:
        if re.fullmatch(kind.pattern, name):
            if kind is _BPE:
                _size(name)
            return kind
    if expand_home(name).is_dir():
        return _FILE
    raise unknown_name("tokenizer", name, [kind.shown for kind in _KINDS], "invoke train --tokenizer bpe:2048")


def _size(name: str) -> int:
    size = int(name.removeprefix("bpe:") or 0)
    if not FEWEST <= size <= MOST:
        problem = f"tokenizer {name!r} asks for {size:,} tokens"
        raise ConfigError(problem, f"{FEWEST:,} to {MOST:,}", "invoke train --tokenizer bpe:2048")
    return size


def _load_bpe(name: str, corpus: TrainingText | None) -> Tokenizer:
    if corpus is None:
        raise ConfigError(f"tokenizer {name!r} without a text", "a corpus to train it on", "invoke train --corpus NAME")
    return cached_bpe(_size(name), corpus.train, corpus.sha256)


def _load_file(name: str, _corpus: TrainingText | None) -> Tokenizer:
    path = expand_home(name)
    return _read(TOKENIZER if path.is_dir() else path.name, path)


def _load_gpt2(name: str, _corpus: TrainingText | None) -> Tokenizer:
    library(name)
    repository = SHORT_NAMES[name]
    try:
        path = cached_file(repository, TOKENIZER) or fetch(repository, [TOKENIZER]) / TOKENIZER
    except CheckpointError as error:
        raise ConfigError(f"tokenizer {name!r}: {error.problem}", error.allowed, error.run) from None
    return _read(name, path)


def _read(name: str, path: Path) -> Tokenizer:
    """Read a tokenizer.json, whatever its name, or the tokenizer of a folder."""
    folder = {file: path / file for file in TOKENIZER_FILES if (path / file).exists()} if path.is_dir() else None
    try:
        found = read_content({TOKENIZER: path} if folder is None else folder)
    except CheckpointError as error:
        raise ConfigError(error.problem, _FILES, _RUN) from None
    if found is None:
        raise ConfigError(f"{path} holds no {TOKENIZER}", _FILES, _RUN)
    return tokenizer_of(name, found[1])


_BPE = _Kind(r"bpe:[0-9]{0,9}", "bpe:2048", _size, _load_bpe)
_FILE = _Kind(r".*\.json", f"PATH/{TOKENIZER}", lambda name: _load_file(name, None).vocab_size, _load_file)
_KINDS = (
    _Kind("bytes", "bytes", lambda _name: BYTES.vocab_size, lambda _name, _corpus: BYTES),
    _BPE,
    _Kind("gpt2", "gpt2", lambda _name: _GPT2_TOKENS, _load_gpt2),
    _FILE,
)
