"""Byte-level BPE without the library: a text is cut into words, and a word's bytes are merged pair by pair.

    words    GPT-2's pattern (Radford et al. 2019): 's 't 're 've 'm 'll 'd, or a blank or none before letters, numbers
             or signs, or white space, whose last character is left to the word after it
    merging  of all neighbours in a word, the pair that was merged first in training, the leftmost one; again and again

It reads the tokenizers that ``train_bpe`` makes, so that shipped models need no further package. ``tokenizer.js`` of
the playground is its twin.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from tinygpt.tokenizers.byte_tokenizer import LETTERS

_CONTRACTION = re.compile(r"'(?:[stmd]|re|ve|ll)")
_WORD = re.compile("[ ]?L+|[ ]?N+|[ ]?O+|[ S]+(?![LNO])|[ S]+")  # on the kinds of the characters
# Unicode's White_Space, which Python's isspace() exceeds.
_WHITE = frozenset("\t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))
_CACHED_WORDS = 2**16
# Key of tokenizer.json → its value in the files that this module reads; other keys do not change the ids.
_PLAIN: Mapping[str, Any] = {"normalizer": None, "added_tokens": []}
_PLAIN_MODEL: Mapping[str, Any] = dict.fromkeys(
    ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
)


def is_plain(content: Mapping[str, Any]) -> bool:
    """Return whether :class:`PlainBpe` reads a parsed tokenizer.json."""
    cut, model = content.get("pre_tokenizer") or {}, content.get("model") or {}
    cuts = cut.get("type") == "ByteLevel" and cut.get("use_regex", True) and not cut.get("add_prefix_space", True)
    plain = all((content.get(key) or value) == value for key, value in _PLAIN.items())
    return bool(cuts and plain and all((model.get(key) or value) == value for key, value in _PLAIN_MODEL.items()))


def words(text: str) -> Iterator[str]:
    """Cut a text into its words; joined, they are the text."""
    kinds, start = "".join(map(_kind, text)), 0
    while start < len(text):
        found = _CONTRACTION.match(text, start) or _WORD.match(kinds, start)
        assert found is not None  # the kinds have no other letter
        yield text[start : found.end()]
        start = found.end()


@lru_cache(_CACHED_WORDS)
def _kind(character: str) -> str:
    if character == " ":
        return " "
    if character in _WHITE:
        return "S"
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "O"


class PlainBpe:
    """The merges of a parsed tokenizer.json for which :func:`is_plain` holds."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        vocab, merges = content["model"]["vocab"], content["model"]["merges"]
        pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in merges)
        self._of_byte = [vocab[letter] for letter in LETTERS]
        self._merged = {
            (vocab[left], vocab[right]): (rank, vocab[left + right]) for rank, (left, right) in enumerate(pairs)
        }
        self._ids = lru_cache(_CACHED_WORDS)(self._merge)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text."""
        return [token for word in words(text) for token in self._ids(word)]

    def _merge(self, word: str) -> tuple[int, ...]:
        ids = [self._of_byte[byte] for byte in word.encode()]
        while True:
            found = [(*self._merged[pair], place) for place, pair in enumerate(pairwise(ids)) if pair in self._merged]
            if not found:
                return tuple(ids)
            _, token, place = min(found, key=lambda one: (one[0], one[2]))
            ids[place : place + 2] = [token]
