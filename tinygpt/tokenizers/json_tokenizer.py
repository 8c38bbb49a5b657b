"""Byte-level BPE of a tokenizer.json (Sennrich et al. 2016; on bytes: Radford et al. 2019), as the library computes it.

The library reads text only. So bytes that are no UTF-8 are split off, and each becomes the token of its own byte: any
bytes round-trip. Decoding needs no library, as every token is a string of bytes. Nor does encoding with a tokenizer
that was trained here (``plain_bpe.py``), only more time.

A text is encoded in stretches of about a megabyte, cut before a line break that follows a letter or a sign. There the
pattern of GPT-2 always begins a new word, so the stretches have the tokens of the whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from tinygpt.errors import ConfigError, MissingDependencyError
from tinygpt.tokenizers.byte_tokenizer import BYTE_OF, BYTES
from tinygpt.tokenizers.plain_bpe import PlainBpe, is_plain
from tinygpt.tokenizers.tokenizer import Tokenizer, text_bytes

_STRETCH = 2**20  # bytes
_LAST_LINE = re.compile(rb".*\S(?=\n)", re.DOTALL)
_NOT_UTF8 = re.compile("([\udc80-\udcff])")
_ALLOWED = "byte-level BPE, as of GPT-2, Llama 3 and Qwen"
_IGNORED = ("truncation", "padding")  # of a tokenizer.json: they cut and fill texts


class JsonTokenizer(Tokenizer):
    """A tokenizer.json.

    Args:
        name: for messages.
        content: the parsed file.

    Raises:
        ConfigError: it is no byte-level BPE.
    """

    def __init__(self, name: str, content: Mapping[str, Any]) -> None:
        self.name = name
        self._content = {**content, **dict.fromkeys(_IGNORED)}
        self.pieces = _pieces(name, self._content)

    @property
    def content(self) -> Mapping[str, Any]:
        """The file as it was read, without limits on the length of texts."""
        return self._content

    @cached_property
    def _encode_text(self) -> Callable[[str], list[int]]:
        """The library's encoding, or without the library our own."""
        try:
            made = library(self.name).Tokenizer.from_str(json.dumps(self._content))
        except MissingDependencyError:
            if not is_plain(self._content):
                raise
            return PlainBpe(self._content).encode
        except Exception as error:  # the library raises nothing narrower
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"tokenizer {self.name!r} cannot be read: {reason}", _ALLOWED) from None
        return lambda text: list(made.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _byte_ids(self) -> dict[bytes, int]:
        return {piece: token for token, piece in enumerate(self.pieces) if len(piece) == 1}

    def encode(self, text: str | bytes) -> np.ndarray:
        """Return the token ids (n,), as :meth:`Tokenizer.encode` does.

        Raises:
            MissingDependencyError: it is not one of ours, and the package ``tokenizers`` is not installed.
        """
        data = text_bytes(text)
        tokens: list[int] = []
        for number, part in enumerate(_NOT_UTF8.split(data.decode("utf-8", errors="surrogateescape"))):
            if number % 2:
                tokens += [self._byte_ids[byte] for byte in (text_bytes(part),) if byte in self._byte_ids]
            elif part:
                tokens += self._encode_text(part)
        if self.decode_bytes(tokens) != data:
            raise ConfigError(
                f"tokenizer {self.name!r} cannot represent the text {data[:40]!r}…: other bytes come back",
                "text of bytes in its vocabulary, and no normalizer that changes it",
                "the same command with --tokenizer bytes or bpe:2048",
            )
        return np.array(tokens, self.dtype)


def stretches(text: bytes | memoryview, size: int = _STRETCH) -> Iterator[bytes]:
    """Cut a text into parts of up to ``size`` bytes whose tokens, one after the other, are those of the whole."""
    start = 0
    while start < len(text):
        part = bytes(text[start : start + size])
        if start + size < len(text) and (line := _LAST_LINE.match(part)):
            part = line[0]
        yield part
        start += len(part)


def library(name: str) -> Any:
    """Import the package ``tokenizers``.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import tokenizers
    except ImportError as error:
        problem = f"tokenizer {name!r} needs the package tokenizers"
        raise MissingDependencyError(problem, "an installed tokenizers", "pip install 'tinygpt[tokenizers]'") from error
    # Without a value, it warns when an engine forks its workers, which never use it.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    return tokenizers


def tokenizer_of(name: str, content: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer of a parsed tokenizer.json: that of bytes if it is the same.

    Raises:
        ConfigError: it is no byte-level BPE.
    """
    made = JsonTokenizer(name, content)
    return BYTES if made.pieces == BYTES.pieces else made


def _pieces(name: str, content: Mapping[str, Any]) -> tuple[bytes, ...]:
    """Return the bytes of each id."""
    model, added = content.get("model"), content.get("added_tokens") or []
    kind = model.get("type", "BPE") if isinstance(model, dict) else None
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if kind != "BPE" or not isinstance(vocab, dict) or not _is_byte_level(content.get("decoder")):
        raise ConfigError(f"tokenizer {name!r} is of type {kind!r} or not on bytes", _ALLOWED)
    try:
        found = {token: text.encode() for token, text in ((item["id"], item["content"]) for item in added)}
        for text, token in vocab.items():
            found.setdefault(token, bytes(BYTE_OF[letter] for letter in text))
        return tuple(found[token] for token in range(len(found)))
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"tokenizer {name!r} has a damaged vocabulary ({type(error).__name__} {error})"
        raise ConfigError(problem, "ids from 0 without a gap, and the letters of byte-level BPE") from None


def _is_byte_level(decoder: Any) -> bool:
    parts = decoder.get("decoders", [decoder]) if isinstance(decoder, dict) else []
    return any(isinstance(part, dict) and part.get("type") == "ByteLevel" for part in parts)
