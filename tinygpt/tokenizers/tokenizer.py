"""The interface of every tokenizer: bytes → ids and back, without loss.

    encode        text (as UTF-8) or bytes → ids (n,), in the smallest type that holds the vocabulary
    pieces        id → its bytes; a text is the pieces of its ids, one after the other
    byte_lengths  id → number of its bytes, which turns a loss per token into one per byte

Losses per token of two tokenizers say nothing about each other: a longer token is harder to predict. A loss per byte,
Σ losses / Σ byte lengths, is about the same text for both.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tinygpt.arguments import instance
from tinygpt.errors import ConfigError

END_OF_TEXT = "<|endoftext|>"


def text_bytes(text: str | bytes) -> bytes:
    """Return text as UTF-8; bytes as they are.

    Surrogate escapes, which Python makes of command-line bytes that are not UTF-8 (PEP 383), become these bytes.

    Raises:
        ConfigError: it is neither text nor bytes.
    """
    instance("the text", text, (str, bytes), "a string or bytes")
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8", errors="surrogateescape")
    except UnicodeEncodeError:  # other lone surrogates
        return text.encode("utf-8", errors="surrogatepass")


def as_text(data: bytes) -> str:
    """Decode bytes; those that are not UTF-8 become U+FFFD."""
    return data.decode("utf-8", errors="replace")


class Tokenizer(ABC):
    """A tokenizer.

    Attributes:
        name: ``bytes``, ``bpe:2048``, ``gpt2``, or the name of a file.
        pieces: the bytes of each id.
        content: its tokenizer.json, as parsed JSON.
    """

    name: str
    pieces: tuple[bytes, ...]

    @property
    @abstractmethod
    def content(self) -> Mapping[str, Any]:
        """Its tokenizer.json, as parsed JSON."""

    @abstractmethod
    def encode(self, text: str | bytes) -> np.ndarray:
        """Return the token ids (n,) of text (as UTF-8) or bytes.

        Raises:
            ConfigError: it is neither text nor bytes, or cannot be represented.
        """

    def __repr__(self) -> str:
        return f"<tokenizer {self.name}: {self.vocab_size:,} tokens>"

    @cached_property
    def end_of_text(self) -> int | None:
        """The id of ``<|endoftext|>``, which GPT-2 writes where a text ends; None if it is no special token here."""
        added = {item["content"]: item["id"] for item in self.content.get("added_tokens") or []}
        return added.get(END_OF_TEXT)

    @property
    def vocab_size(self) -> int:
        """V, the number of ids."""
        return len(self.pieces)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of its tokenizer.json, independent of white space and order, in hexadecimal."""
        text = json.dumps(self.content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    @cached_property
    def vocabulary_sha256(self) -> str:
        """SHA-256 of the bytes of every id, in hexadecimal: the same however a program writes the tokenizer.json."""
        digest = hashlib.sha256()
        for piece in self.pieces:
            digest.update(len(piece).to_bytes(4, "little") + piece)
        return digest.hexdigest()

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned type that holds every id."""
        return np.min_scalar_type(self.vocab_size - 1)

    @cached_property
    def _lengths(self) -> np.ndarray:
        return np.array([len(piece) for piece in self.pieces], np.int64)

    def byte_lengths(self, tokens: np.ndarray) -> np.ndarray:
        """Return the number of bytes of each token id, int64; raise a ConfigError for an id outside the vocabulary."""
        if tokens.size:
            self._piece(int(tokens.max()))
        return self._lengths[tokens]

    def tokens_per_byte(self, tokens: np.ndarray) -> float:
        """Return the factor from a mean loss per token of these ids, at least one, to the loss per byte."""
        return tokens.size / int(self.byte_lengths(tokens).sum())

    def decode_bytes(self, tokens: Iterable[int] | np.ndarray) -> bytes:
        """Return the bytes of token ids; raise a ConfigError for an id outside the vocabulary."""
        return b"".join(map(self._piece, tokens.tolist() if isinstance(tokens, np.ndarray) else tokens))

    def decode(self, tokens: Iterable[int] | np.ndarray) -> str:
        """Return the text of token ids; bytes that are not UTF-8 become U+FFFD."""
        return as_text(self.decode_bytes(tokens))

    def decode_stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Decode a token stream as it arrives, in whole characters.

        An incomplete UTF-8 sequence is held back until it is complete; bytes that are not UTF-8 become U+FFFD.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        for token in tokens:
            if text := decoder.decode(self._piece(token)):
                yield text
        if rest := decoder.decode(b"", final=True):
            yield rest

    def _piece(self, token: int) -> bytes:
        if not 0 <= token < len(self.pieces):
            raise ConfigError(f"token {token} is not one of tokenizer {self.name!r}", f"0 to {self.vocab_size - 1}")
        return self.pieces[token]
