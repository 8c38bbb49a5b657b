"""A corpus: text to train on and held-out text, with their licence and source."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from tinygpt.system.memory import require_memory


@dataclass(frozen=True)
class Corpus:
    """A text ready for training.

    Attributes:
        name: the name it was loaded by; for a user's file the file name only, without its folder.
        train: bytes to draw batches from; of a large file a view of the file, which is not in memory.
        held_out: bytes that only evaluation reads; likewise.
        licence: the terms of use, in a sentence.
        source: where it came from.
        warning: a reason why the bytes may not be plain text, or None.
    """

    name: str
    train: bytes
    held_out: bytes
    licence: str
    source: str
    warning: str | None = None

    def __repr__(self) -> str:
        return f"<corpus {self.name}: {len(self.train):,} bytes to train on, {len(self.held_out):,} held out>"

    @cached_property
    def sha256(self) -> str:
        """Hex digest of ``train + NUL + held_out``: it depends on the text and on the split."""
        digest = hashlib.sha256(self.train)
        digest.update(b"\0")
        digest.update(self.held_out)
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes in both parts together."""
        return len(self.train) + len(self.held_out)

    def in_memory(self) -> Corpus:
        """Return the corpus with both parts as bytes; raise a CapacityError if they do not fit."""
        if isinstance(self.train, bytes) and isinstance(self.held_out, bytes):
            return self
        require_memory(self.size, f"the text {self.name!r}", "head -c 1GB FILE > PART, and take that as the corpus")
        return replace(self, train=bytes(self.train), held_out=bytes(self.held_out))

    @property
    def train_tokens(self) -> np.ndarray:
        """The training part as ids of bytes, (n,) uint8."""
        return np.frombuffer(self.train, np.uint8)

    @property
    def held_out_tokens(self) -> np.ndarray:
        """The held-out part as ids of bytes, (n,) uint8."""
        return np.frombuffer(self.held_out, np.uint8)


@dataclass(frozen=True)
class Parts:
    """The two parts of a split text, as a corpus module builds them and the cache stores them."""

    train: bytes = field(repr=False)
    held_out: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest of a corpus made of these parts."""
        return Corpus("", self.train, self.held_out, "", "").sha256


def hold_out(texts: Mapping[str, str], names: Container[str]) -> Parts:
    """Hold out the texts of these names as a whole; each ASCII text is followed by two blank lines."""
    sides = ([text for name, text in texts.items() if (name in names) is side] for side in (False, True))
    return Parts(*("".join(f"{text}\n\n\n" for text in side).encode("ascii") for side in sides))
