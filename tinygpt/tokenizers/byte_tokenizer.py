"""One token per byte: ids 0 to 255 are the values of the bytes.

Its tokenizer.json is byte-level BPE without a merge, so that transformers reads it. There, each byte has a letter
(Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", whose code calls it bytes_to_unicode):
printable ones their own in Latin-1, the others U+0100 and following.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from tinygpt.tokenizers.tokenizer import Tokenizer, text_bytes

_PRINTED = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = [byte for byte in range(256) if byte not in _PRINTED]

LETTERS = "".join(chr(byte) if byte in _PRINTED else chr(0x100 + _OTHERS.index(byte)) for byte in range(256))
"""The letter of each byte in a byte-level tokenizer.json."""

BYTE_OF = MappingProxyType({letter: byte for byte, letter in enumerate(LETTERS)})
"""Letter → byte."""

_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


class ByteTokenizer(Tokenizer):
    """The tokenizer of bytes; every byte string round-trips, and nothing needs to be installed."""

    name = "bytes"
    pieces = tuple(bytes((byte,)) for byte in range(256))

    @property
    def content(self) -> Mapping[str, Any]:
        """Byte-level BPE without a merge."""
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": _BYTE_LEVEL,
            "post_processor": None,
            "decoder": _BYTE_LEVEL,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": False,
                "vocab": dict(BYTE_OF),
                "merges": [],
            },
        }

    def encode(self, text: str | bytes) -> np.ndarray:
        """Return the bytes, (n,) uint8, as :meth:`Tokenizer.encode` does."""
        return np.frombuffer(text_bytes(text), np.uint8)


BYTES = ByteTokenizer()
