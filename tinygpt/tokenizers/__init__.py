"""Tokenizers: text ↔ token ids. Bytes by default, byte-level BPE through the extra ``tokenizers``.

>>> from tinygpt.tokenizers import load_tokenizer
>>> tokens = load_tokenizer("bytes").encode("Once upon a time")
"""

from tinygpt.tokenizers.byte_tokenizer import BYTES, ByteTokenizer
from tinygpt.tokenizers.names import absolute_tokenizer, expected_vocab_size, load_tokenizer, vocabulary_note
from tinygpt.tokenizers.tokenizer import Tokenizer, as_text, text_bytes

__all__ = [
    "BYTES",
    "ByteTokenizer",
    "Tokenizer",
    "absolute_tokenizer",
    "as_text",
    "expected_vocab_size",
    "load_tokenizer",
    "text_bytes",
    "vocabulary_note",
]
