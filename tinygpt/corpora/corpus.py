"""What a corpus is: two pieces of text, one to train on and one held out, with their licence and source."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tinygpt.data import Tokenizer


@dataclass(frozen=True)
class Corpus:
    """A text ready for training.

    Attributes:
        name: what it was asked for by; a file of the user's keeps its file name only, never its folder.
        train: bytes to draw batches from.
        held_out: bytes that training never sees; evaluation reads them.
        licence: what may be done with the text, in a sentence.
        source: where it came from.
        warning: what is odd about the bytes; None if nothing is.
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
        """Hex digest of ``train + NUL + held_out``: it changes with the text and with the split."""
        digest = hashlib.sha256(self.train)
        digest.update(b"\0")
        digest.update(self.held_out)
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes in both parts together."""
        return len(self.train) + len(self.held_out)

    @property
    def train_tokens(self) -> np.ndarray:
        """Token ids of the training part, (n,) uint8."""
        return Tokenizer.encode(self.train)

    @property
    def held_out_tokens(self) -> np.ndarray:
        """Token ids of the held-out part, (n,) uint8."""
        return Tokenizer.encode(self.held_out)


@dataclass(frozen=True)
class Parts:
    """The two sides of a split, before they have a name: what a corpus module builds and the cache keeps."""

    train: bytes = field(repr=False)
    held_out: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest that the corpus made of these parts will have."""
        return Corpus("", self.train, self.held_out, "", "").sha256
